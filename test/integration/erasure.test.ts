import { spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { partitionOf } from "../../views/partition.ts";
import { tidemarkHere } from "../cli/here.ts";
import { traces as tracesOf } from "../erasures/traces.ts";
import { Platform } from "../fault/platform.ts";

const app = fileURLToPath(new URL("erasure-app.ts", import.meta.url));
const launcher = fileURLToPath(new URL("../../cli/tidemark.mjs", import.meta.url));

const subject = "C-Zaphod-17";
/** Whose events go into the same partition, where duplicates are looked for. */
const neighbour =
  Array.from({ length: 7 }, (_, i) => `C-${i}`).find(
    (key) => partitionOf(key, 2) === partitionOf(subject, 2),
  ) ?? "";
/** Of what is the subject's, and of nothing else. */
const marks = [subject, "zid-", "Betelgeuse", "zcampaign", "31337007"];

interface Sent {
  readonly id: string;
  readonly type: string;
  readonly partitionkey?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const bought = (id: string, customer: string, city: string, cents: number): Sent => ({
  ...{ id, type: "test.thing.bought", data: { customer, city, cents } },
});
const seen = (id: string, visitor: string, key?: string): Sent => ({
  ...{ id, type: "test.page.seen", data: { page: "home", visitor }, ...(key && { partitionkey: key }) },
});

/** A piece of what comes: of the subject's one in five; ids of others are those of the subject's now and then. */
function piece(n: number): readonly Sent[] {
  return Array.from({ length: 60 }, (_, i): Sent => {
    const at = n * 60 + i;
    if (i % 10 === 0) return bought(`zid-${at}`, subject, "Betelgeuse", 31_337_007);
    if (i % 10 === 5) return seen(`zid-${at}`, subject, subject);
    if (i % 10 === 6) return seen(`p-${at}`, `C-${at % 7}`);
    // Sent twice: the second is a duplicate.
    const id = i % 10 === 9 ? `o-${at - 1}` : `o-${at}`;
    return bought(id, `C-${(at - (i % 10 === 9 ? 1 : 0)) % 7}`, "Ulm", 100 + (at - (i % 10 === 9 ? 1 : 0)));
  });
}

const pieces = [0, 1, 2].map(piece);

function ndjson(events: readonly Sent[]): string {
  const time = "2026-03-01T08:00:00Z";
  return events
    .map((event) => JSON.stringify({ specversion: "1.0", source: "test", time, ...event }))
    .join("\n");
}

function isErased({ id, partitionkey, data: { customer } }: Sent): boolean {
  return (partitionkey ?? customer ?? id) === subject;
}

/** What is left of the purchases, each once. */
function left(events: readonly Sent[]): readonly Sent[] {
  const kept = new Map(
    events.filter((each) => each.type === "test.thing.bought" && !isErased(each)).map((e) => [e.id, e]),
  );
  return [...kept.values()];
}

/** What the view "totals" has to answer. */
function oracle(events: readonly Sent[]) {
  const purchases = left(events).map(({ data }) => data);
  return {
    purchases: purchases.length,
    cents: purchases.reduce((sum, { cents }) => sum + Number(cents), 0),
    customers: new Set(purchases.map(({ customer }) => customer)).size,
  };
}

let folder: string;
let sound: string;
let data: string;
let platform: Platform | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-erase-"));
  sound = join(folder, "sound");
  platform = await Platform.start(sound, app);
  const wrong = [
    { ...bought("zid-wrong", subject, "Betelgeuse", 1), data: { customer: subject, city: "Betelgeuse" } },
    { ...bought("o-wrong", "C-3", "Ulm", 1), data: { customer: "C-3", city: 7 } },
  ];
  for (const [n, events] of pieces.entries()) {
    await platform.ingest(`${ndjson([...events, ...(n < 2 ? wrong : [])])}\n{"zcampaign of ${subject}`);
    if (n < 2) await platform.runIsDone(await platform.startRun());
  }
  await platform.caughtUp("totals");
  await keepPast(platform);
  await platform.stop();
}, 60_000);

afterAll(async () => {
  await platform?.kill();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  data = await mkdtemp(join(folder, "copy-"));
  await cp(sound, data, { recursive: true });
});

/** What was bought until now, computed as of the past, beside the generations. */
async function keepPast(on: Platform): Promise<void> {
  const { provenance } = await on.rows("by-customer");
  const { code, out, err } = await tidemarkHere([
    "batch",
    "run",
    "--as-of",
    provenance.position,
    "--view",
    "by-customer",
    "--url",
    on.url,
  ]);
  expect(code, out + err).toBe(0);
}

async function tidemark(...args: readonly string[]): Promise<{ code: number; out: string }> {
  const { code, out, err } = await tidemarkHere([...args, "--app", app, "--data", data]);
  return { code, out: out + err };
}

const traces = (under: string, of: readonly string[] = marks) => tracesOf(under, of);

const outcome = {
  state: "done",
  type: null,
  records: { "test.thing.bought": 18, "test.page.seen": 18 },
  deadLetters: 5,
};

test("before, the subject is in every store; after an erasure at rest nowhere, and all else is as it was", async () => {
  const stores = new Set((await traces(data)).map((path) => path.split("/")[0]));
  expect([...stores].sort()).toEqual(["dead-letters", "generations", "log", "master", "pasts", "tail"]);

  const { code, out } = await tidemark("erase", subject, "--json");
  const { erasures } = JSON.parse(out);
  expect([code, erasures]).toMatchObject([0, [{ ...outcome, compactedAt: expect.any(String) }]]);
  expect(await traces(data)).toEqual([]);
  expect((await tidemark("erase", "--list")).out).toContain("test.thing.bought 18");

  // What is left are the other events, as often as they were sent, and views are what these give.
  const { out: lines } = await tidemarkHere(["export", "--app", app, "--data", data]);
  const ids = lines
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as Sent).id);
  expect(ids.sort()).toEqual(
    pieces
      .flat()
      .filter((each) => !isErased(each))
      .map(({ id }) => id)
      .sort(),
  );
  for (const view of ["by-customer", "totals"]) {
    const { out: replayed } = await tidemarkHere(["replay", view, "--json", "--app", app, "--data", data]);
    expect(JSON.parse(replayed)).toMatchObject({ equal: true, fromLog: 0 });
  }
  expect(await tidemark("compact")).toMatchObject({ code: 0 });
  expect(await tidemark("verify", "--deep")).toEqual({ code: 0, out: expect.stringContaining("clean") });
});

async function erasureIsDone(running: Platform, id: string) {
  for (;;) {
    const erasure = await running.get<{ readonly state: string; readonly generations: unknown }>(
      `/v1/erasures/${id}`,
    );
    if (erasure.state === "done") return erasure;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("under up everything but free pages is done at once, and these when it starts again", async () => {
  platform = await Platform.start(data, app);
  const { generations: before } = await platform.get<{ generations: readonly { id: string }[] }>(
    "/v1/views/by-customer",
  );
  expect(before.length).toBeGreaterThan(1);
  expect(await tidemark("erase", subject)).toEqual({ code: 1, out: expect.stringContaining("--url") });
  const response = await fetch(`${platform.url}/v1/subjects/${subject}`, { method: "DELETE" });
  const asked = (await response.json()) as { readonly id: string; readonly run: string };
  expect([response.status, asked]).toMatchObject([202, { state: "pending", records: null }]);
  expect(response.headers.get("location")).toBe(`/v1/erasures/${asked.id}`);
  // While it goes on: facts of the same key are new ones, and so are those of the ids that it
  // erases; what was sent before is a duplicate.
  const again = bought("o-178", "C-3", "Ulm", 278);
  const later = [bought("o-900", subject, "Ulm", 3), bought("zid-170", neighbour, "Ulm", 5), again];
  const { position } = await platform.ingest(ndjson(later));
  const { result } = await platform.runIsDone(asked.run);
  expect(await erasureIsDone(platform, asked.id)).toMatchObject({ ...outcome, compactedAt: null });

  const cut = (result as { reconciliations: readonly { reconciliation: object }[] }).reconciliations;
  for (const { reconciliation } of cut) {
    expect(reconciliation).toMatchObject({ kind: "not-compared", reason: expect.stringContaining(asked.id) });
  }
  const events = [...pieces.flat(), bought("o-900", "C-new", "Ulm", 3), ...later.slice(1)];
  const total = { groupBy: "" };
  expect((await platform.rows("totals", { ...total, after: position })).rows).toMatchObject([oracle(events)]);
  const { rows } = await platform.rows("by-customer", { who: subject });
  expect(rows).toMatchObject([{ purchases: 1, cents: 3, city: "Ulm" }]);
  const back = await platform.post(`/v1/views/by-customer/generations/${before[0]?.id}/activate`);
  expect([back.status, await back.text()]).toEqual([404, expect.stringContaining(asked.id)]);
  expect(await platform.get("/v1/status")).toMatchObject({ erasures: { pending: 0, uncompacted: 1 } });
  // What is new is there, and nothing else of theirs.
  const others = [...marks.filter((mark) => mark !== subject && mark !== "zid-"), "zid-60", "zid-175"];
  expect(await traces(join(data, "master"), others)).toEqual([]);
  expect(await traces(join(data, "generations"), others)).toEqual([]);

  await platform.stop();
  platform = await Platform.start(data, app);
  await platform.caughtUp("totals");
  expect((await platform.rows("totals", total)).rows).toMatchObject([oracle(events)]);
  expect(await platform.get("/v1/status")).toMatchObject({ erasures: { pending: 0, uncompacted: 0 } });
  // In both layers.
  const last = bought("zid-20", neighbour, "Ulm", 11);
  const { position: end } = await platform.ingest(ndjson([last, again]));
  const all = [oracle([...events, last])];
  expect((await platform.rows("totals", { ...total, after: end })).rows).toMatchObject(all);
  await platform.runIsDone(await platform.startRun());
  expect((await platform.rows("totals", { ...total, layer: "batch" })).rows).toMatchObject(all);
  // Of whom there is nothing, nothing has to go.
  const nobody = await tidemarkHere(["erase", "C-nobody", "--url", platform.url]);
  expect(nobody).toMatchObject({ code: 0, out: expect.stringMatching(/: 0 records .*, 0 dead letters\n$/) });
  expect(await platform.get("/v1/views/by-customer")).toMatchObject({ generations: { length: 3 } });
  const listed = await tidemarkHere(["erase", "--list", "--url", platform.url]);
  expect(listed.out.match(/^e-\S+ +done /gm)).toHaveLength(2);
  await platform.stop();
  expect(await traces(data, others)).toEqual([]);
  expect(await tidemark("verify", "--deep")).toEqual({ code: 0, out: expect.stringContaining("clean") });
});

/** Begins an erasure in a process, and kills it at the n-th change in the folder. Gives whether it was done by then. */
async function eraseAndKill(changes: number): Promise<boolean> {
  const child = spawn(process.execPath, [launcher, "erase", subject, "--app", app, "--data", data], {
    stdio: "ignore",
  });
  const exit = once(child, "exit");
  let seenChanges = 0;
  const watching = watch(data, { recursive: true }, () => {
    if (++seenChanges >= changes) child.kill("SIGKILL");
  });
  const [code] = await exit;
  watching.close();
  return code === 0;
}

test("killed at any moment an erasure stays pending, and is completed with the same counts", async () => {
  // While files are written anew, and after the pointers have moved.
  const moments = [50, 190];
  for (const moment of moments) {
    await rm(data, { recursive: true });
    await cp(sound, data, { recursive: true });
    expect(await eraseAndKill(moment)).toBe(false);
    expect(await tidemark("erase")).toMatchObject({ code: 0 });
    const { erasures } = JSON.parse((await tidemark("erase", "--list", "--json")).out);
    expect([moment, erasures]).toMatchObject([moment, [{ ...outcome, compactedAt: expect.any(String) }]]);
    expect([moment, await traces(data)]).toEqual([moment, []]);
    expect(await tidemark("verify", "--deep")).toEqual({ code: 0, out: expect.stringContaining("clean") });
  }
});
