import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import flights, { flight } from "../../examples/flights/app.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { recordsBetween } from "../../views/cut.ts";
import { tidemarkHere } from "../cli/here.ts";
import { flightLines } from "../fault/flights-in-order.ts";
import { PlatformHere } from "./platform-here.ts";

const app = fileURLToPath(new URL("../../examples/flights/app.ts", import.meta.url));

let folder: string;
let sound: string;
let data: string;
/** What the sound folder answers, by view. */
let answers: Readonly<Record<string, unknown>>;
/** A copy of master dataset and declarations, taken while it wrote there. */
let copied: string;
/** What it exported while it was served, when some events were in the log alone. */
let exportedBeside: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-rebuild-"));
  sound = join(folder, "sound");
  const platform = await PlatformHere.start(sound);
  const lines = await flightLines(3_000);
  await platform.ingest(lines.slice(0, 2_000).join("\n"));
  await platform.runIsDone(await platform.startRun());
  // Some come once more: an event that is sent twice counts once.
  await platform.ingest([...lines.slice(1_900), "garbage"].join("\n"));
  exportedBeside = await exported(sound);
  const run = platform.runIsDone(await platform.startRun());
  copied = await copyUntil(run);
  answers = await answersOf(platform);
  await platform.stop();
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

beforeEach(async () => {
  data = await mkdtemp(join(folder, "copy-"));
  await cp(sound, data, { recursive: true });
});

test("what was exported and is ingested elsewhere gives the same answers, before a run and after it", async () => {
  expect(await exported(data)).toBe(exportedBeside);
  expect(exportedBeside.split("\n").length).toBe(3_100 + 1);
  await expectSameAnswersFrom(exportedBeside);
});

test("the master dataset alone gives the same answers", async () => {
  for (const store of ["log", "generations", "tail", "dead-letters", "jobs"]) {
    await rm(join(data, store), { recursive: true });
  }
  await expectSameAnswersFrom(await exported(data));
});

test("a copy that was taken while the platform wrote is whole up to where it ends, and what is sent again after that is all", async () => {
  const { code, out } = await tidemarkHere(["export", "--app", app, "--data", copied]);
  expect(code).toBe(0);
  const sent = out.split("\n");
  const all = new Set(exportedBeside.split("\n"));
  expect(sent.filter((line) => !all.has(line))).toEqual([]);
  const { name, partitions } = flight;
  const archived = recordsBetween(
    {},
    await MasterFolder.read(join(copied, "master"), [{ name, partitions }]).cut(),
  );
  expect(sent.length).toBe(archived + 1);
  expect(archived).toBeGreaterThanOrEqual(2_000);
  const platform = await PlatformHere.start(await mkdtemp(join(folder, "fresh-")));
  for (const events of [out, exportedBeside]) await platform.ingest(events);
  await platform.caughtUp();
  expect(await answersOf(platform)).toEqual(answers);
  await platform.stop();
});

test("the log alone gives the same answers", async () => {
  for (const store of ["master", "generations", "tail"]) await rm(join(data, store), { recursive: true });
  const platform = await PlatformHere.start(data);
  await platform.caughtUp();
  expect(await answersOf(platform)).toEqual(answers);
  await platform.runIsDone(await platform.startRun());
  expect(await answersOf(platform)).toEqual(answers);
  await platform.stop();
});

test("an export goes to a file, of the types that are named, and one that there is not is refused", async () => {
  const out = join(folder, "events.ndjson");
  expect(await exported(data, "--out", out, "--type", "aviation.flight.landed")).toBe("");
  expect(await readFile(out, "utf8")).toBe(exportedBeside);
  expect(
    await tidemarkHere(["export", "--app", app, "--data", data, "--type", "aviation.flight.lost"]),
  ).toEqual({
    code: 1,
    out: "",
    err: `TIDEMARK_CONFIG: the app has no event type "aviation.flight.lost"; it has aviation.flight.landed\n`,
  });
  const none = join(folder, "none");
  const refused = await tidemarkHere(["export", "--app", app, "--data", none]);
  expect(refused.err).toContain(`TIDEMARK_CONFIG: ${none} is no data folder`);
});

/** As `rsync -a --exclude '.aside-*' DATA/master DATA/declarations` does, again and again until the work is done. */
async function copyUntil(work: Promise<unknown>): Promise<string> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  const to = join(folder, "copied");
  const filter = (from: string) => !basename(from).startsWith(".aside-");
  while (!isDone) {
    for (const store of ["master", "declarations"])
      await cp(join(sound, store), join(to, store), { recursive: true, force: false, filter });
  }
  await done;
  return to;
}

async function expectSameAnswersFrom(events: string): Promise<void> {
  const platform = await PlatformHere.start(await mkdtemp(join(folder, "fresh-")));
  await platform.ingest(events);
  await platform.caughtUp();
  expect(await answersOf(platform)).toEqual(answers);
  await platform.runIsDone(await platform.startRun());
  expect(await answersOf(platform)).toEqual(answers);
  await platform.stop();
}

async function answersOf(platform: PlatformHere): Promise<Readonly<Record<string, unknown>>> {
  const found: Record<string, unknown> = {};
  for (const { name } of flights.views) found[name] = (await platform.rows(name)).rows;
  return found;
}

async function exported(from: string, ...args: readonly string[]): Promise<string> {
  const { code, out, err } = await tidemarkHere(["export", "--app", app, "--data", from, ...args]);
  expect(err).toBe("3,100 events of aviation.flight.landed\n");
  expect(code).toBe(0);
  return out;
}
