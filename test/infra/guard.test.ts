import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from "jose";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { readApiKeys } from "../../infra/access/api-keys.ts";
import { sightOf } from "../../infra/access/guard.ts";
import { readAccessPolicy, requireKnownNames } from "../../infra/access/policy.ts";
import { Tokens } from "../../infra/access/tokens.ts";
import { createServer, readOrigins, type ServerOptions } from "../../infra/http.ts";
import { readServerSentEvents } from "../../infra/server-sent-events.ts";
import { LiveServer } from "../serving/live-server.ts";
import { byMachine } from "../serving/measured.ts";

const issuer = "https://id.example";
const audience = "tidemark";
const keys = readApiKeys("shop:ingest+query:shop-0123456789abcdef,ops:operate:ops-0123456789abcdef", "KEYS");
const asShop = { authorization: "Bearer shop-0123456789abcdef" };
const roles = {
  reader: { permissions: ["query" as const] },
  tenant: { permissions: ["query" as const], rowFilter: { tenant: "$claim.tenant" } },
  east: { permissions: ["query" as const], rowFilter: { tenant: ["a", "b"] } },
};

let folder: string;
let first: { privateKey: CryptoKey; publicKey: CryptoKey };
let second: typeof first;
let server: FastifyInstance | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-guard-"));
  first = await generateKeyPair("ES256");
  second = await generateKeyPair("ES256");
});
afterEach(async () => {
  await server?.close();
  server = undefined;
});
afterAll(() => rm(folder, { recursive: true }));

type Named = readonly [kid: string, pair: typeof first];
const jwks = async (...pairs: readonly Named[]) =>
  JSON.stringify({
    keys: await Promise.all(
      pairs.map(async ([kid, { publicKey }]) => ({ ...(await exportJWK(publicKey)), kid })),
    ),
  });

async function keysFile(name: string, ...pairs: readonly Named[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, await jwks(...pairs));
  return path;
}

function token(
  claims: Record<string, unknown> = {},
  { kid = "one", pair = first, exp = "5m" as string | number } = {},
) {
  return new SignJWT({ roles: ["reader"], sub: "alice", ...claims })
    .setProtectedHeader({ alg: "ES256", kid })
    .setIssuer(String(claims.iss ?? issuer))
    .setAudience(String(claims.aud ?? audience))
    .setExpirationTime(exp)
    .sign(pair.privateKey);
}

async function serve(options: ServerOptions): Promise<FastifyInstance> {
  server = createServer(options);
  const config = { keepsToSight: true } as const;
  server.get("/seen", { config }, (request) => {
    const { views, rowFilter } = sightOf(request);
    const filter = Object.fromEntries([...rowFilter].map(([name, values]) => [name, [...values]]));
    return { name: request.access?.name, views: views && [...views], filter };
  });
  server.get("/fails", () => {
    throw new Error("what nobody foresaw");
  });
  server.post("/v1/batch/runs", (_request, reply) =>
    reply.code(202).header("location", "/v1/batch/runs/r-1").send({}),
  );
  return server;
}

async function withTokens(jwksAt: string, now?: () => number): Promise<FastifyInstance> {
  const policy = { jwt: { jwks: jwksAt, issuer, audience }, roles };
  return serve({ keys, policy, tokens: await Tokens.open(policy.jwt, roles, now) });
}

async function ask(url: string, authorization?: string) {
  const response = await server?.inject({
    url,
    headers: authorization === undefined ? {} : { authorization },
  });
  return { status: response?.statusCode, headers: response?.headers, body: response?.json() };
}

describe("tokens", () => {
  test("let in whom their issuer signed, beside keys", async () => {
    await withTokens(await keysFile("a.json", ["one", first]));
    expect(await ask("/seen", `Bearer ${await token()}`)).toMatchObject({
      status: 200,
      body: { name: "token alice" },
    });
    expect(await ask("/seen", asShop.authorization)).toMatchObject({
      status: 200,
      body: { name: "key shop" },
    });
  });

  test("that are not as they must be are refused with why, and are not quoted", async () => {
    await withTokens(await keysFile("b.json", ["one", first]));
    const unsigned = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from("{}").toString("base64url")}.x`;
    const shared = await new SignJWT({ roles: ["reader"] })
      .setProtectedHeader({ alg: "HS256", kid: "one" })
      .setIssuer(issuer)
      .setAudience(audience)
      .setExpirationTime("5m")
      .sign(new TextEncoder().encode("one secret that both sides would share"));
    const wrong: readonly (readonly [string, string])[] = [
      [await token({ iss: "https://other.example" }), 'claim "iss"'],
      [await token({ aud: "another" }), 'claim "aud"'],
      [await token({}, { exp: Math.floor(Date.now() / 1_000) - 60 }), "it has expired"],
      [await token({}, { kid: "two" }), "no key of that name"],
      [await token({}, { pair: second }), "its signature is wrong"],
      [shared, "of a kind that is not taken"],
      [unsigned, "of a kind that is not taken"],
      ["a.b.c", "no signed JSON Web Token"],
      [`${"a".repeat(9_000)}.b.c`, "longer than 8192"],
    ];
    for (const [text, why] of wrong) {
      const { status, body, headers } = await ask("/seen", `Bearer ${text}`);
      expect({ status, code: body.code }).toEqual({ status: 401, code: "TIDEMARK_AUTH_TOKEN" });
      expect(body.detail).toContain(why);
      expect(body.detail).not.toContain(text);
      expect(headers?.["www-authenticate"]).toBe('Bearer error="invalid_token"');
    }
  });

  test("that have no role of ours, or not the claim that a row filter is by, may do nothing", async () => {
    await withTokens(await keysFile("c.json", ["one", first]));
    for (const claims of [
      { roles: ["other"] },
      { roles: undefined },
      { roles: ["tenant"] },
      { roles: "tenant", tenant: {} },
    ]) {
      const { status, body } = await ask("/seen", `Bearer ${await token(claims)}`);
      expect({ status, code: body.code }).toEqual({ status: 403, code: "TIDEMARK_AUTH_FORBIDDEN" });
    }
  });

  test("see the rows of their claims, and of several roles those that all of them let through", async () => {
    await withTokens(await keysFile("d.json", ["one", first]));
    const filter = async (claims: Record<string, unknown>) =>
      (await ask("/seen", `Bearer ${await token(claims)}`)).body.filter;
    expect(await filter({})).toEqual({});
    expect(await filter({ roles: ["tenant"], tenant: "a" })).toEqual({ tenant: ["a"] });
    expect(await filter({ roles: "tenant", tenant: ["a", "c"] })).toEqual({ tenant: ["a", "c"] });
    expect(await filter({ roles: ["tenant", "east"], tenant: ["a", "c"] })).toEqual({ tenant: ["a"] });
    expect(await filter({ roles: ["reader", "tenant"], tenant: "c" })).toEqual({ tenant: ["c"] });
    expect(await filter({ roles: ["tenant", "east"], tenant: "c" })).toEqual({ tenant: [] });
  });

  test("that were taken are not taken once they have expired, nor longer than a minute after their key was withdrawn", async () => {
    let now = Date.now();
    const path = await keysFile("e.json", ["one", first]);
    await withTokens(path, () => now);
    const short = await token({}, { exp: Math.floor(now / 1_000) + 20 });
    const long = await token({}, { exp: Math.floor(now / 1_000) + 3_600 });
    for (const text of [short, long]) expect((await ask("/seen", `Bearer ${text}`)).status).toBe(200);
    now += 26_000;
    expect((await ask("/seen", `Bearer ${short}`)).status).toBe(401);
    await keysFile("e.json", ["two", second]);
    expect((await ask("/seen", `Bearer ${long}`)).status).toBe(200);
    now += 40_000;
    expect((await ask("/seen", `Bearer ${await token({}, { kid: "two", pair: second })}`)).status).toBe(200);
    expect((await ask("/seen", `Bearer ${long}`)).status).toBe(401);
  });

  test("are checked with keys fetched from an address, once for many tokens; while it does not answer, nobody is let in", async () => {
    let fetches = 0;
    const document = await jwks(["one", first]);
    const host = createHttpServer((_request, response) => {
      fetches++;
      response.setHeader("content-type", "application/json").end(document);
    });
    await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", resolve));
    const address = `http://127.0.0.1:${(host.address() as AddressInfo).port}/jwks.json`;
    await withTokens(address);
    for (const sub of ["a", "b", "c"])
      expect((await ask("/seen", `Bearer ${await token({ sub })}`)).status).toBe(200);
    expect((await ask("/seen", `Bearer ${await token({}, { kid: "unknown" })}`)).status).toBe(401);
    expect(fetches).toBe(1);
    host.closeAllConnections();
    await new Promise((resolve) => host.close(resolve));
    await server?.close();
    await withTokens(address);
    const { status, body } = await ask("/seen", `Bearer ${await token()}`);
    expect({ status, code: body.code }).toEqual({ status: 503, code: "TIDEMARK_AUTH_KEYS" });
    expect((await ask("/seen", asShop.authorization)).status).toBe(200);
  });
});

describe("the file of TIDEMARK_ACCESS", () => {
  const read = async (value: unknown) => {
    const path = join(folder, "access.json");
    await writeFile(path, typeof value === "string" ? value : JSON.stringify(value));
    return readAccessPolicy(path);
  };

  test.each([
    ["{", "it is no JSON"],
    [{ role: {} }, "/role is no setting that there is"],
    [{ roles: { reader: { permissions: ["read"] } } }, "/roles/reader/permissions/0"],
    [{ roles: { reader: { permissions: ["query"], views: [] } } }, "/roles/reader/views"],
    [{ keys: { shop: { permissions: ["query"] } } }, "/keys/shop"],
    [{ keys: { shop: { rowFilter: { tenant: "$claim.tenant" } } } }, "keys have none"],
    [{ jwt: { jwks: "keys.json", issuer, audience } }, 'it has "jwt" and no "roles"'],
    [{ requestsPerSecond: 0 }, "/requestsPerSecond"],
  ])("%j is refused with what is wrong", async (value, why) => {
    await expect(read(value)).rejects.toThrow(why);
    await expect(read(value)).rejects.toMatchObject({ code: "TIDEMARK_CONFIG" });
  });

  test("names only keys and views that there are", async () => {
    const known = { keys, views: [{ name: "sales" }] };
    expect(() => requireKnownNames({ keys: { shop: { views: ["sales"] } } }, known)).not.toThrow();
    expect(() => requireKnownNames({ keys: { shpo: {} } }, known)).toThrow(
      'no key "shpo"; there are shop, ops',
    );
    const misspelt = { roles: { reader: { permissions: ["query" as const], views: ["sale"] } } };
    expect(() => requireKnownNames(misspelt, known)).toThrow('no view "sale"; there are sales');
  });
});

test("a caller that asks more often than it may waits, others do not", async () => {
  let now = 0;
  await serve({
    keys,
    policy: { requestsPerSecond: 2, keys: { ops: { requestsPerSecond: 0.1 } } },
    now: () => now,
  });
  const status = async () => (await ask("/seen", asShop.authorization)).status;
  expect([await status(), await status(), await status()]).toEqual([200, 200, 429]);
  const { headers, body } = await ask("/seen", asShop.authorization);
  expect(headers?.["retry-after"]).toBe("1");
  expect(body).toMatchObject({
    code: "TIDEMARK_RATE_LIMIT",
    detail: "key shop may ask 2 times a second: wait a little",
  });
  now += 500;
  expect([await status(), await status()]).toEqual([200, 429]);
  const ops = "Bearer ops-0123456789abcdef";
  expect((await ask("/v1/batch/runs", ops)).status).not.toBe(429);
  expect((await ask("/v1/batch/runs", ops)).headers?.["retry-after"]).toBe("10");
});

test("pages of other origins are let in by name only, also to read why they were refused", async () => {
  await serve({ keys, origins: ["https://shop.example"] });
  const from = (origin: string, more: Record<string, string> = {}) => ({ headers: { origin, ...more } });
  const allowed = (response: { headers: Record<string, unknown> } | undefined) =>
    response?.headers["access-control-allow-origin"];
  const preflight = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization",
  };
  const asked = await server?.inject({
    method: "OPTIONS",
    url: "/v1/batch/runs",
    ...from("https://shop.example", preflight),
  });
  expect(asked?.statusCode).toBe(204);
  expect(allowed(asked)).toBe("https://shop.example");
  expect(asked?.headers["access-control-allow-headers"]).toContain("authorization");
  const refused = await server?.inject({ url: "/seen", ...from("https://shop.example") });
  expect([refused?.statusCode, allowed(refused)]).toEqual([401, "https://shop.example"]);
  expect((await server?.inject({ url: "/seen", ...from("https://shop.example", asShop) }))?.statusCode).toBe(
    200,
  );
  const other = await server?.inject({ url: "/seen", ...from("https://shop.example.evil", asShop) });
  expect(allowed(other)).toBeUndefined();
});

test("without TIDEMARK_CORS_ORIGINS no page of another origin is let in; what is no origin is refused", async () => {
  await serve({});
  const response = await server?.inject({ url: "/seen", headers: { origin: "https://shop.example" } });
  expect(Object.keys(response?.headers ?? {}).filter((name) => name.startsWith("access-control"))).toEqual(
    [],
  );
  expect(readOrigins("https://a.example, http://b:8080", "ORIGINS")).toEqual([
    "https://a.example",
    "http://b:8080",
  ]);
  for (const text of ["*", "a.example", "https://a.example/", "null"]) {
    expect(() => readOrigins(text, "ORIGINS")).toThrow("which is no origin");
  }
});

test("every answer tells browsers to keep to themselves, refusals and answers that there is nothing among them", async () => {
  await serve({ keys });
  for (const url of ["/seen", "/nowhere"]) {
    for (const headers of [{}, asShop]) {
      expect((await server?.inject({ url, headers }))?.headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy": "same-origin",
      });
    }
  }
});

test("an error names its request, by the client's name for it where that can stand in a log", async () => {
  await serve({});
  const id = async (given: string) =>
    (await server?.inject({ url: "/fails", headers: { "x-request-id": given } }))?.headers["x-request-id"];
  expect(await id("order-17.3")).toBe("order-17.3");
  const nowhere = await server?.inject({ url: "/nowhere", headers: { "x-request-id": "order-18" } });
  expect(nowhere?.headers["x-request-id"]).toBe("order-18");
  expect(await id("a b")).toMatch(/^\d+-\d+$/);
  expect(await id("x".repeat(101))).toMatch(/^\d+-\d+$/);
});

test("operations are noted with who, what and how they ended, and no secret; reading is not", async () => {
  const lines: string[] = [];
  await serve({ keys, audit: pino({ base: null }, { write: (line) => void lines.push(line) }) });
  const start = (headers: Record<string, string>) =>
    server?.inject({
      method: "POST",
      url: "/v1/batch/runs?why=not",
      headers,
      payload: { secret: "in-the-body" },
    });
  await start({ authorization: "Bearer ops-0123456789abcdef", "x-request-id": "r-7" });
  await start(asShop);
  await start({ authorization: "Bearer wrong-0123456789abcdef" });
  await server?.inject({ url: "/seen", headers: asShop });
  const noted = lines.map((line) => JSON.parse(line));
  const what = "POST /v1/batch/runs";
  expect(noted).toMatchObject([
    {
      who: "key ops",
      what,
      from: "127.0.0.1",
      request: "r-7",
      status: 202,
      failure: null,
      made: "/v1/batch/runs/r-1",
    },
    { who: "key shop", what, status: 403, failure: "TIDEMARK_AUTH_FORBIDDEN" },
    { who: null, what, status: 401, failure: "TIDEMARK_AUTH_MISSING" },
  ]);
  expect(lines.join("")).not.toMatch(/0123456789abcdef|in-the-body|why=not/);
});

test("whoever follows rows by a token is told of them until it expires, and then why there is no more", async () => {
  const jwks = await keysFile("live.json", ["one", first]);
  const tokens = await Tokens.open({ issuer, audience, jwks, clockToleranceSeconds: 0 }, roles);
  await using live = await LiveServer.start([byMachine], {}, { tokens });
  const expires = Math.floor(Date.now() / 1000) + 3;
  const authorization = `Bearer ${await token({}, { exp: expires })}`;
  const url = live.rowsUrl({ live: "true", groupBy: "site", measures: "records" });
  const { body } = await fetch(url, { headers: { authorization } });
  const told: [string, string][] = [];
  for await (const { event, data } of readServerSentEvents(body as never))
    told.push([event, JSON.parse(data).code]);
  expect(told).toEqual([
    ["rows", undefined],
    ["end", "TIDEMARK_AUTH_TOKEN"],
  ]);
  expect(Date.now()).toBeGreaterThanOrEqual(expires * 1000);
  expect((await fetch(url, { headers: { authorization } })).status).toBe(401);
});
