import type { FastifyInstance } from "fastify";
import { afterEach, expect, test } from "vitest";
import { readApiKeys } from "../../infra/access/api-keys.ts";
import { createServer } from "../../infra/http.ts";

const secret = (name: string) => `${name}-0123456789abcdef`;
const keys = readApiKeys(
  `shop:ingest:${secret("shop")}, console:query:${secret("console")},ops:query+operate:${secret("ops")}`,
  "TIDEMARK_API_KEYS",
);
let server: FastifyInstance | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function ask(method: "GET" | "POST" | "DELETE", url: string, authorization?: string) {
  server ??= createServer({ keys });
  if (!server.hasRoute({ method: "GET", url: "/v1/status" })) {
    for (const path of ["/v1/status", "/healthz", "/readyz"]) server.get(path, () => ({ ok: true }));
    server.post("/v1/events", { config: { permission: "ingest" } }, () => ({ ok: true }));
    server.post("/v1/batch/runs", () => ({ ok: true }));
    server.delete("/v1/batch/runs/1", () => ({ ok: true }));
  }
  const response = await server.inject({
    method,
    url,
    ...(authorization === undefined ? {} : { headers: { authorization } }),
  });
  return { status: response.statusCode, ...(response.json() as { code?: string; detail?: string }) };
}

test("without a key nothing is answered but health and readiness, not even that there is no such route", async () => {
  for (const path of [
    "/v1/status",
    "/v1/status?x=1",
    "/",
    "/nowhere",
    "/healthz?x=1",
    "/v1/status/../healthz",
  ]) {
    expect(await ask("GET", path)).toMatchObject({ status: 401, code: "TIDEMARK_AUTH_MISSING" });
  }
  for (const path of ["/healthz", "/readyz"]) expect(await ask("GET", path)).toMatchObject({ status: 200 });
});

test("a secret that is nobody's is no key, whatever it resembles", async () => {
  const wrong = [
    "",
    "Bearer",
    "Bearer ",
    `Bearer ${secret("shop")}x`,
    `Basic ${secret("shop")}`,
    `Bearer shop`,
  ];
  for (const authorization of wrong) {
    expect((await ask("POST", "/v1/events", authorization)).status).toBe(401);
  }
});

test("a key may do what it says, and nothing else", async () => {
  const may = async (name: string) => {
    const authorization = `Bearer ${secret(name)}`;
    const asked = [
      await ask("POST", "/v1/events", authorization),
      await ask("GET", "/v1/status", authorization),
      await ask("POST", "/v1/batch/runs", authorization),
      await ask("DELETE", "/v1/batch/runs/1", authorization),
    ];
    return asked.map(({ status }) => status);
  };
  expect(await may("shop")).toEqual([200, 403, 403, 403]);
  expect(await may("console")).toEqual([403, 200, 403, 403]);
  expect(await may("ops")).toEqual([403, 200, 200, 200]);
  expect((await ask("GET", "/v1/status", `Bearer ${secret("shop")}`)).detail).toBe(
    'key shop may ingest; GET /v1/status needs "query"',
  );
});

test.each([
  ["shop", "not NAME:PERMISSIONS:SECRET"],
  ["shop:ingest", "not NAME:PERMISSIONS:SECRET"],
  [`shop:sell:${secret("x")}`, 'has the permission "sell"; there are ingest, query, operate, metrics'],
  [`shop:ingest+:${secret("x")}`, 'has the permission ""'],
  ["shop:ingest:short", "has 5 characters and must have 16"],
  [`a:ingest:${secret("x")},b:query:${secret("x")}`, "one secret twice"],
])("%s is refused, and no secret is quoted", (text, reason) => {
  expect(() => readApiKeys(text, "TIDEMARK_API_KEYS")).toThrow(reason);
  try {
    readApiKeys(text, "TIDEMARK_API_KEYS");
  } catch (error) {
    expect(String(error)).not.toContain(secret("x"));
  }
});
