import { afterEach, beforeEach, expect, test } from "vitest";
import { readApiKeys } from "../../infra/access/api-keys.ts";
import { createServer } from "../../infra/http.ts";
import { registerConsole } from "../../serving-layer/console-routes.ts";

const addresses = { app: "test", addresses: ["/v1/status"] };
const browser = { accept: "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8" };
let server: ReturnType<typeof createServer>;

beforeEach(() => {
  server = createServer({ keys: readApiKeys("shop:query:shop-0123456789abcdef", "TIDEMARK_API_KEYS") });
  registerConsole(server, addresses);
});
afterEach(() => server.close());

const get = (url: string, headers: Record<string, string> = {}) =>
  server.inject({ method: "GET", url, headers });

test("a browser is given the page, which loads nothing but what is served beside it", async () => {
  const page = await get("/", browser);
  expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
  expect(page.headers["content-security-policy"]).toContain(
    "default-src 'none'; script-src 'self'; style-src 'self'",
  );
  expect(page.payload).not.toMatch(/<script>|<style>|style=|https?:/);
  const names = [...page.payload.matchAll(/(?:src|href)="(.*?)"/g)].map(([, path = ""]) => path);
  expect(names).toHaveLength(3);
  for (const path of names) {
    expect(path).toMatch(/^\/console\/[a-z]+-[A-Z0-9]{8}\.(js|css|svg)$/);
    const asset = await get(path);
    expect([asset.statusCode, asset.headers["cache-control"]]).toEqual([
      200,
      "public, max-age=31536000, immutable",
    ]);
    expect(asset.payload).not.toMatch(/url\(["']?https?:|@import|eval\(|new Function/);
  }
});

test("whoever does not ask for a page is given the addresses, with a key", async () => {
  const key = { authorization: "Bearer shop-0123456789abcdef" };
  for (const headers of [key, { ...key, accept: "application/json" }, { ...key, accept: "*/*" }]) {
    expect((await get("/", headers)).json()).toEqual(addresses);
  }
  expect((await get("/", { accept: "application/json" })).statusCode).toBe(401);
});

test("there is nothing else under the console's address", async () => {
  for (const path of ["/console/main.tsx", "/console/..%2Froutes.ts", "/console/nothing.js"]) {
    expect(await get(path)).toMatchObject({ statusCode: 404 });
  }
});
