import { cp, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { open } from "lmdb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tidemarkHere } from "../cli/here.ts";
import { traces } from "../erasures/traces.ts";
import { PlatformHere } from "./platform-here.ts";

const app = fileURLToPath(new URL("encrypted-app.ts", import.meta.url));
const [subject, second] = ["C-Zaphod-17", "C-Marvin-3"];

interface Sent {
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly subject?: string;
}

/** With an attribute that names the person, as CloudEvents have it. */
const bought = (id: string, customer: string, city: string, cents: number): Sent => ({
  ...{ id, type: "test.thing.bought", data: { customer, city, cents }, subject: `mail-of-${customer}` },
});
const written = (id: string): Sent => ({ id, type: "test.note.written", data: { author: subject } });
const seen = (id: string): Sent => ({ id, type: "test.page.seen", data: { page: "in-the-clear" } });

function piece(n: number): readonly Sent[] {
  return Array.from({ length: 40 }, (_, i): Sent => {
    const at = n * 40 + i;
    if (i % 8 === 0) return bought(`o-${at}`, subject, "Betelgeuse", 31_337_007);
    if (i % 8 === 1) return written(`n-${at}`);
    if (i % 8 === 2) return seen(`p-${at}`);
    if (i % 8 === 3) return bought(`o-${at}`, second, "Sirius", 500);
    // Sent twice: the second is a duplicate.
    const first = i % 8 === 7 ? at - 1 : at;
    return bought(`o-${first}`, `C-${first % 7}`, "Ulm", 100 + first);
  });
}

function ndjson(events: readonly Sent[]): string {
  const envelope = { specversion: "1.0", source: "test", time: "2026-03-01T08:00:00Z" };
  return events.map((event) => JSON.stringify({ ...envelope, ...event })).join("\n");
}

/** What "totals" and "by-customer" have to answer. */
function oracle(events: readonly Sent[]) {
  const purchases = [
    ...new Map(events.filter(({ type }) => type === "test.thing.bought").map((each) => [each.id, each.data])),
  ].map(([, data]) => ({ customer: String(data.customer), cents: Number(data.cents) }));
  const sum = (of: typeof purchases) => of.reduce((total, { cents }) => total + cents, 0);
  const customers = [...new Set(purchases.map(({ customer }) => customer))].sort();
  return {
    totals: [{ purchases: purchases.length, cents: sum(purchases), customers: customers.length }],
    customers: customers.map((who) => {
      const own = purchases.filter(({ customer }) => customer === who);
      return { who, purchases: own.length, cents: sum(own) };
    }),
  };
}

const answer = async (of: PlatformHere, layer: string, after?: string) => ({
  totals: (await of.rows("totals", { groupBy: "", layer, ...(after && { after }) })).rows,
  customers: (await of.rows("by-customer", { orderBy: "who", layer })).rows,
});

let data: string;
let platform: PlatformHere;
const all = [0, 1].flatMap(piece);
const isOf = (who: string) => (event: Sent) => Object.values(event.data).includes(who);
const left = all.filter((event) => !isOf(subject)(event));
const later = [bought("o-900", subject, "Ulm", 3), bought("o-0", "C-1", "Ulm", 5)];

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "tidemark-encrypted-"));
  platform = await PlatformHere.start(data, app);
}, 60_000);
afterAll(async () => {
  await platform.stop();
  await rm(data, { recursive: true, force: true });
});

const verify = () => tidemarkHere(["verify", "--deep", "--app", app, "--data", data]);
const clean = { code: 0, out: expect.stringContaining("clean") };
const personal = [subject, second, "Betelgeuse", "Sirius", "31337007", "mail-of-"];

test("encrypted events are answered as others are; the log holds nothing of them in the clear", async () => {
  await platform.ingest(ndjson(piece(0)));
  await platform.runIsDone(await platform.startRun());
  const { position } = await platform.ingest(ndjson(piece(1)));
  expect(await answer(platform, "merged", position)).toMatchObject(oracle(all));
  const inSql = `SELECT count(*) AS n FROM "test.thing.bought" WHERE city = 'Sirius'`;
  expect(await platform.sql(inSql)).toMatchObject({ rows: [{ n: all.filter(isOf(second)).length }] });
  expect(await traces(join(data, "log"), ["in-the-clear"])).toHaveLength(1);
  expect(await traces(join(data, "log"), personal)).toEqual([]);
  expect(await traces(join(data, "subject-keys"), personal)).toEqual([]);
});

test("an erasure destroys the key: both layers are without the person, and the log keeps every record", async () => {
  const { starts } = (await logOf("test.thing.bought")) ?? {};
  const response = await fetch(`${platform.url}/v1/subjects/${subject}`, { method: "DELETE" });
  const asked = (await response.json()) as { readonly run: string };
  // While it goes on: later facts of the same key are new ones, and so is one of an id that goes.
  const { position } = await platform.ingest(ndjson(later));
  await platform.runIsDone(asked.run);
  expect(await answer(platform, "merged", position)).toMatchObject(oracle([...left, ...later]));
  expect((await platform.rows("notes")).rows).toEqual([]);
  expect(await logOf("test.thing.bought")).toMatchObject({ starts });
  // Two were destroyed; seven others, two of whom came back, have one each, and so has the subject.
  const { keys } = await platform.get<{ readonly keys: object }>("/v1/status");
  expect(keys).toMatchObject({ held: 9, destroyed: 2 });
  const { out } = await tidemarkHere(["status", "--url", platform.url]);
  expect(out).toContain("9 keys of subjects held, 2 destroyed;");
  await platform.runIsDone(await platform.startRun());
  expect(await answer(platform, "batch")).toMatchObject(oracle([...left, ...later]));
  await platform.stop();
  expect(await verify()).toMatchObject(clean);
});

test("from the log alone everything comes back without the person", async () => {
  for (const store of ["master", "generations", "tail"]) await rm(join(data, store), { recursive: true });
  platform = await PlatformHere.start(data, app);
  // Also of the topic that holds nothing but forgotten records.
  for (const view of ["totals", "by-customer", "notes"]) await platform.caughtUp(view);
  expect(await answer(platform, "speed")).toMatchObject(oracle([...left, ...later]));
  expect(await platform.get("/v1/status")).toMatchObject({ keys: { forgotten: 20 } });
  const metrics = await (await fetch(`${platform.url}/metrics`)).text();
  expect(metrics).toMatch(/^tidemark_speed_skipped_records_total\{reason="forgotten"\} 20$/m);
  await platform.runIsDone(await platform.startRun());
  expect(await answer(platform, "batch")).toMatchObject(oracle([...left, ...later]));
  expect(await platform.get("/v1/status")).toMatchObject({ deadLetters: 0 });
  await platform.stop();
  expect(await verify()).toMatchObject({ ...clean, out: expect.stringContaining("20 more are forgotten") });
});

async function wrappedKeys(path: string): Promise<readonly Buffer[]> {
  const root = open({ path, noSubdir: false, maxDbs: 4, readOnly: true });
  const keys = root.openDB<Buffer, string>("keys", { encoding: "binary" });
  const wrapped = [...keys.getRange({})].map(({ value }) => Buffer.from(value));
  await root.close();
  return wrapped;
}

test("at rest it is the same; keys that a copy brings back go again", async () => {
  const [keys, copy] = [join(data, "subject-keys"), `${data}-copy`];
  await cp(keys, copy, { recursive: true });
  const erase = ["erase", second, "--json", "--app", app, "--data", data];
  const { code, out } = await tidemarkHere(erase);
  expect([code, JSON.parse(out)]).toMatchObject([
    0,
    { erasures: [{ records: { "test.thing.bought": 10 }, compactedAt: expect.any(String) }] },
  ]);
  expect(await traces(data, [second, "Sirius"])).toEqual([]);
  // Of all keys one is in no byte of the store any more.
  const bytes = await readFile(join(keys, "data.mdb"));
  const wrapped = await wrappedKeys(copy);
  expect([wrapped.length, wrapped.filter((key) => bytes.includes(key)).length]).toEqual([9, 8]);
  const forgotten = { ...clean, out: expect.stringContaining("30 more are forgotten") };
  expect(await verify()).toMatchObject(forgotten);

  await rm(keys, { recursive: true });
  await rename(copy, keys);
  expect(await verify()).toMatchObject({ code: 1 });
  expect(JSON.parse((await tidemarkHere(erase)).out)).toMatchObject({ erasures: [{ records: {} }] });
  expect(await verify()).toMatchObject(forgotten);
  const { out: lines } = await tidemarkHere(["export", "--app", app, "--data", data]);
  const bodies = lines
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Sent);
  expect(oracle(bodies)).toEqual(oracle([...left, ...later].filter((event) => !isOf(second)(event))));
});

test("keys that are lost, or kept under another master key, are missed by name; so is the master key where an app is deployed to a cluster", async () => {
  const lost = { code: 1, err: expect.stringContaining("subject-keys is gone") };
  const erase = ["erase", "C-1", "--app", app, "--data", data];
  expect(
    await tidemarkHere(erase, { TIDEMARK_SHRED_KEY: Buffer.alloc(32).toString("base64") }),
  ).toMatchObject({
    ...{ code: 1, err: expect.stringContaining("another master key") },
  });
  await rm(join(data, "subject-keys"), { recursive: true });
  expect(await tidemarkHere(erase)).toMatchObject(lost);
  await expect(PlatformHere.start(data, app)).rejects.toMatchObject({ code: "TIDEMARK_STORE_CORRUPT" });
  const apply = ["topics", "apply", "--app", app, "--data", join(data, "shared")];
  expect(await tidemarkHere(apply, { KAFKA_BROKERS: "127.0.0.1:1" })).toMatchObject({
    ...{ code: 1, err: expect.stringMatching(/TIDEMARK_CONFIG.*in a cluster.*TIDEMARK_SHRED_KEY/) },
  });
});

async function logOf(topic: string) {
  const { log } = await platform.get<{
    readonly log: Readonly<Record<string, { readonly starts: readonly number[] }>>;
  }>("/v1/status");
  return log[topic];
}
