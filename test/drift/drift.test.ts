import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DriftNotice, signatureOf } from "../../batch-layer/drift-webhook.ts";
import { Client, isFinished } from "../../cli/client.ts";
import type { Run } from "../../infra/jobs/jobs.ts";
import { tidemark } from "../cli/stand-in.ts";
import { UpProcess } from "../fault/up-process.ts";

const app = fileURLToPath(new URL("./miscounting-app.ts", import.meta.url));
const secret = "a secret of this test";

interface Notice {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const notices: Notice[] = [];
let receiver: Server;
let noticed: () => void = () => undefined;
let data: string;
let up: UpProcess;
let client: Client;

beforeAll(async () => {
  // The first time it has no time for us.
  receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    notices.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(notices.length === 1 ? 503 : 200).end();
    noticed();
  });
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  data = await mkdtemp(join(tmpdir(), "tidemark-drift-"));
  up = await UpProcess.start(["--app", app, "--data", data, "--port", "0"], {
    TIDEMARK_DRIFT_WEBHOOK: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/drift`,
    TIDEMARK_DRIFT_WEBHOOK_SECRET: secret,
  });
  client = new Client(up.url);
  const shops = ["a", "a", "a", "b"];
  const body = shops.map((shop, i) =>
    Buffer.from(
      `${JSON.stringify({ id: String(i), source: "test", type: "test.order.placed", time: "2001-01-01T00:00:00Z", data: { shop } })}\n`,
    ),
  );
  const { position } = await client.ingest({ body, contentType: "application/x-ndjson" });
  await client.rows("by-shop", { after: position });
}, 180_000);

afterAll(async () => {
  client[Symbol.dispose]();
  await up.kill();
  receiver.closeAllConnections();
  receiver.close();
  await rm(data, { recursive: true, force: true });
});

async function ended(run: Run): Promise<Run> {
  for await (const each of client.watchRun(run.id)) if (isFinished(each)) return each;
  throw new Error("a run ends");
}

const drift = {
  kind: "compared",
  keys: 2,
  differing: 2,
  largestDrift: 3,
  examples: [
    { dimensions: ["a"], pane: 0, batch: { orders: 3 }, served: { orders: 6 } },
    { dimensions: ["b"], pane: 0, batch: { orders: 1 }, served: { orders: 2 } },
  ],
};

test("a check finds a fold that miscounts, names the view and shows the rows, and publishes nothing", async () => {
  const { state, result } = await ended(await client.submitCheck());
  expect(state).toBe("succeeded");
  expect(result?.generations).toEqual([]);
  expect(result?.reconciliations).toMatchObject([
    { view: "by-shop", generation: null, reconciliation: { ...drift, against: null } },
    { view: "sound", generation: null, reconciliation: { differing: 0, keys: 2 } },
  ]);
  const { rows, provenance } = await client.rows("by-shop", {});
  expect(provenance.generation).toBe(null);
  expect(rows).toEqual([
    { shop: "a", orders: 6 },
    { shop: "b", orders: 2 },
  ]);
});

test("drift is told to the webhook, again if it was not taken, and signed", async () => {
  while (notices.length < 2) {
    await new Promise<void>((resolve) => {
      noticed = resolve;
    });
  }
  expect(notices[1]?.body).toBe(notices[0]?.body);
  for (const { headers, body } of notices.slice(0, 2)) {
    const signature = signatureOf(secret, String(headers["tidemark-timestamp"]), body);
    expect(headers["tidemark-signature"]).toBe(`sha256=${signature}`);
    expect(body).not.toContain(secret);
    const { kind, app: name, runKind, views } = JSON.parse(body) as DriftNotice;
    expect({ kind, name, runKind }).toEqual({ kind: "drift", name: "miscounting", runKind: "check" });
    expect(views).toMatchObject([{ view: "by-shop", reconciliation: drift }]);
  }
});

test("a batch run finds it too, and what is served is right from then on", async () => {
  const { result } = await ended(await client.submitRun());
  expect(result?.reconciliations).toMatchObject([
    { view: "by-shop", reconciliation: drift },
    { view: "sound" },
  ]);
  const id = result?.generations[0]?.id;
  for (;;) {
    const { rows, provenance } = await client.rows("by-shop", {});
    if (provenance.generation !== id) continue;
    expect(rows).toEqual([
      { shop: "a", orders: 3 },
      { shop: "b", orders: 1 },
    ]);
    break;
  }
});

test("the history has every run and check, newest first, and can be narrowed", async () => {
  const all = await client.reconciliations({});
  expect(all.map(({ view, kind }) => `${kind} ${view}`).sort()).toEqual([
    "batch by-shop",
    "batch sound",
    "check by-shop",
    "check sound",
  ]);
  const drifting = await client.reconciliations({ drifting: "true" });
  expect(drifting.map(({ view, kind }) => [view, kind])).toEqual([
    ["by-shop", "batch"],
    ["by-shop", "check"],
  ]);
  const [newest] = drifting;
  expect(await client.reconciliations({ generation: newest?.generation ?? "" })).toEqual([newest]);
  expect(await client.reconciliations({ kind: "check", view: "sound" })).toHaveLength(1);
  const pages = [];
  let cursor: string | null | undefined;
  do {
    const response = await fetch(`${up.url}/v1/reconciliations?limit=3${cursor ? `&cursor=${cursor}` : ""}`);
    const page = (await response.json()) as { reconciliations: unknown[]; cursor: string | null };
    pages.push(...page.reconciliations);
    ({ cursor } = page);
  } while (cursor !== null);
  expect(pages).toEqual(all);
});

test("tidemark compare shows the differing rows, the history, and checks a view now", async () => {
  const { out } = await tidemark(up, "compare", "by-shop", "--differing");
  expect(out).toMatch(/^a +orders +3 +6 +-3 +3/m);
  const { out: history } = await tidemark(up, "compare", "by-shop", "--history", "--differing");
  expect(history).toMatch(/check/);
  expect(history).toMatch(/DRIFT in 2 of 2 keys, by up to 3/);
  expect(history).toMatch(/\["a"\].*\{"orders":3\}.*\{"orders":6\}/);
  expect((await tidemark(up, "compare", "by-shop", "--check")).out).toMatch(/zero drift over 2 keys/);
});
