import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openErasures } from "../../cli/erasures.ts";
import { readApiKeys } from "../../infra/access/api-keys.ts";
import type { ErasuresFolder } from "../../infra/erasures/erasures-folder.ts";
import { createServer } from "../../infra/http.ts";
import { EmbeddedJobs } from "../../infra/jobs/embedded-jobs.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { logEnd } from "../../infra/log/log.ts";
import { registerErasureRoutes } from "../../serving-layer/erasure-routes.ts";
import { visit, visits } from "../speed/visits.ts";

let lifecycle: Lifecycle;
let server: FastifyInstance;
let store: ErasuresFolder;
let log: LmdbLog;
let jobs: EmbeddedJobs;
let logged: string;

beforeEach(async () => {
  lifecycle = new Lifecycle();
  const root = await mkdtemp(join(tmpdir(), "tidemark-erasure-routes-"));
  lifecycle.defer(() => rm(root, { recursive: true, force: true }));
  const topics = [{ name: visit.name, partitions: visit.partitions }];
  log = lifecycle.use(await LmdbLog.open({ path: join(root, "log"), topics, mode: "writer" }));
  jobs = lifecycle.use(
    await EmbeddedJobs.open({ path: join(root, "jobs"), clock: Date.now, newId: randomUUID }),
  );
  store = openErasures(join(root, "erasures"));
  logged = "";
  const stream = new Writable({
    write: (chunk, _, done) => {
      logged += String(chunk);
      done();
    },
  });
  const logger = pino({ level: "trace" }, stream);
  server = createServer({
    ...{ loggerInstance: logger, audit: logger },
    keys: readApiKeys(`ops:operate+query:${"s".repeat(40)},eyes:query:${"e".repeat(40)}`, "KEYS"),
  });
});
afterEach(async () => {
  await server.close();
  await lifecycle[Symbol.asyncDispose]();
});

function register(undeclared: readonly string[] | undefined = []): void {
  const erasures = { store, undeclared, retire: () => logEnd(log, log.topics) };
  registerErasureRoutes(server, { app: visits, jobs, erasures });
}

async function ask(method: "DELETE" | "GET", url: string, as = "s") {
  const answer = await server.inject({ method, url, headers: { authorization: `Bearer ${as.repeat(40)}` } });
  return { status: answer.statusCode, headers: answer.headers, body: answer.json() };
}

test("what is asked for is kept with the log's end, done by a run, and named nowhere else", async () => {
  register();
  const append = { topic: visit.name, partition: 1, key: null, value: Buffer.from("{}") };
  await log.append([append, append]);
  const key = `C/17 é${"x".repeat(1_018)}`;
  const { status, headers, body } = await ask("DELETE", `/v1/subjects/${encodeURIComponent(key)}`);
  expect([status, headers.location]).toEqual([202, `/v1/erasures/${body.id}`]);
  expect(await store.pending()).toMatchObject([{ id: body.id, key, bound: { [visit.name]: [0, 2] } }]);
  expect(await jobs.get(body.run)).toMatchObject({ requestedBy: "erasure", kind: "batch" });
  expect((await ask("GET", "/v1/erasures")).body.erasures).toMatchObject([{ id: body.id, state: "pending" }]);
  expect((await ask("GET", `/v1/erasures/${body.id}`)).body).toMatchObject({ records: null, type: null });
  expect(logged).toContain("DELETE /v1/subjects/:key");
  for (const form of [key, encodeURIComponent(key), "C%2F17", "xxxx"]) expect(logged).not.toContain(form);
});

test("who may not, and what could not be done whole, is refused by name", async () => {
  register(["shop.order.placed"]);
  expect(await ask("DELETE", "/v1/subjects/C-17", "e")).toMatchObject({ status: 403 });
  expect(await ask("DELETE", "/v1/subjects/C-17")).toMatchObject({
    status: 409,
    body: { code: "TIDEMARK_ERASURE_REFUSED", detail: expect.stringContaining("shop.order.placed") },
  });
  expect(await ask("DELETE", "/v1/subjects/C-17?type=test.no.such")).toMatchObject({
    body: { code: "TIDEMARK_ERASURE_REFUSED", detail: expect.stringContaining(visit.name) },
  });
  expect(await ask("DELETE", "/v1/subjects/C-17?typ=x")).toMatchObject({ status: 400 });
  expect(await ask("DELETE", `/v1/subjects/C-17?type=${visit.name}`)).toMatchObject({ status: 202 });
  expect(await ask("GET", "/v1/erasures/e-1")).toMatchObject({ body: { code: "TIDEMARK_ERASURE_UNKNOWN" } });
  expect(logged).not.toContain("C-17");
});

test("where none are kept none can be asked for", async () => {
  registerErasureRoutes(server, { app: visits, jobs, erasures: undefined });
  expect(await ask("DELETE", "/v1/subjects/C-17")).toMatchObject({
    body: { code: "TIDEMARK_ERASURE_REFUSED", detail: expect.stringContaining("keeps no erasures") },
  });
  expect((await ask("GET", "/v1/erasures")).body).toEqual({ erasures: [] });
});
