import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TidemarkError } from "../../views/errors.ts";
import { tidemarkHere } from "../cli/here.ts";
import type { Row } from "../fault/client.ts";
import { Platform } from "../fault/platform.ts";
import { PlatformHere } from "./platform-here.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));

let folder: string;
let data: string;
let platform: Platform | PlatformHere | undefined;

/** As it was first declared: a rate is nothing that the schema knows. */
const first = `Type.Object({ city: Type.String(), cents: Type.Integer({ minimum: 0 }) })`;
/** Later: cents may be fractions and refunds, and there is a rate. */
const second = `Type.Object({
  city: Type.String(), cents: Type.Number(),
  rate: Type.Optional(Type.Integer({ default: 7 })), note: Type.Optional(Type.String()),
})`;
/** Later still. */
const third = second
  .replace(
    `rate: Type.Optional(Type.Integer({ default: 7 }))`,
    `rate: Type.Optional(Type.Number({ default: 7 }))`,
  )
  .replace(`note:`, `vip: Type.Optional(Type.Boolean()), note:`);

const orders = `(f) => ({ orders: count(), cents: sum(f.cents) })`;
const rates = `(f) => ({ orders: count(), cents: sum(f.cents), rates: sum(f.rate), noted: count({ where: f.note.isNotNull() }) })`;
const vips = rates.replace(`rates:`, `vips: count({ where: f.vip }), rates:`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-evolution-"));
  data = join(folder, "data");
  await mkdir(join(folder, "node_modules"));
  await symlink(repository, join(folder, "node_modules/tidemark"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
});

afterAll(async () => {
  await platform?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function app(name: string, schema: string, measures: string, type = ""): Promise<string> {
  const path = join(folder, `${name}.ts`);
  await writeFile(
    path,
    `import { count, defineApp, defineEvent, defineView, sum, tumbling, Type } from "tidemark";
const order = defineEvent({ name: "shop.order.placed", partitions: 2, key: (f) => f.city, schema: ${schema}, ${type} });
export default defineApp({ name: "shop", batch: { schedule: null }, views: [
  defineView({ name: "totals-by-hour", from: order, by: () => ({ hour: tumbling("1h") }), measures: ${measures} }),
  defineView({ name: "by-city", from: order, by: (f) => ({ city: f.city }), measures: () => ({ orders: count() }) }),
] });
`,
  );
  return path;
}

let ids = 0;
const event = (fields: Row) =>
  JSON.stringify({
    id: String(ids++),
    source: "test",
    type: "shop.order.placed",
    time: "2024-05-01T09:00:00Z",
    data: fields,
  });

async function ingest(events: readonly Row[]): Promise<{ accepted: number }> {
  const answer = await running().ingest(`${events.map(event).join("\n")}\n`);
  await running().caughtUp();
  return answer;
}

function running(): Platform | PlatformHere {
  if (platform === undefined) throw new Error("nothing runs");
  return platform;
}

async function answer(layer: "merged" | "batch" = "merged"): Promise<Row | undefined> {
  const { rows } = await running().rows("totals-by-hour", { layer });
  return rows[0];
}

async function run(): Promise<readonly (number | null)[]> {
  const { result } = await running().runIsDone(await running().startRun());
  return (result as { generations: readonly { differing: number | null }[] }).generations.map(
    ({ differing }) => differing,
  );
}

async function tidemark(...args: readonly string[]): Promise<{ code: number; out: string }> {
  const { code, out, err } = await tidemarkHere([...args, "--data", data]);
  return { code, out: out + err };
}

const early: readonly Row[] = [
  { city: "Oslo", cents: 100 },
  { city: "Rome", cents: 200, rate: 5 },
  // These were taken, when nobody knew of a rate; it takes none of these.
  { city: "Oslo", cents: 300, rate: "high" },
  { city: "Rome", cents: 400, rate: 1.5 },
  { city: "Oslo", cents: 500, rate: null, note: "with care", vip: true },
];
const later: readonly Row[] = [
  { city: "Rome", cents: 0.5, rate: 2 },
  { city: "Oslo", cents: -10, note: "", vip: "yes" },
];

test("events that came before a field was declared answer by it, from the log, from files, and merged", async () => {
  const apps = [
    await app("first", first, orders),
    await app("second", second, rates),
    await app("third", third, vips),
  ];
  const killed = await Platform.start(data, apps[0]);
  platform = killed;
  await ingest(early.slice(0, 3));
  await run();
  expect(await ingest([...early.slice(3), { city: "Oslo", cents: 2.5 }])).toMatchObject({ accepted: 2 });
  expect(await answer()).toMatchObject({ orders: 5, cents: 1_500 });
  await killed.kill();

  const again = await Platform.start(data, apps[1]);
  platform = again;
  await platform.caughtUp();
  // 7 + 5 + 7 + 7 + 7: what is no rate counts as missing.
  expect(await answer()).toMatchObject({ orders: 5, cents: 1_500, rates: 33, noted: 1 });
  const { provenance } = await platform.rows("by-city");
  expect(provenance.generation, "a view that did not change keeps its generation").not.toBeNull();
  expect(await ingest([...later, { city: "Rome", cents: 1, rate: 1.5 }])).toMatchObject({ accepted: 2 });
  const two = { orders: 7, cents: 1_490.5, rates: 42, noted: 2 };
  expect(await answer()).toMatchObject(two);
  expect(await run()).toEqual([0, 0]);
  expect(await answer("batch")).toMatchObject(two);
  expect(await answer()).toMatchObject(two);
  await again.kill();

  platform = await PlatformHere.start(data, apps[1]);
  await platform.caughtUp();
  expect(await answer()).toMatchObject(two);
  await platform.stop();

  platform = await PlatformHere.start(data, apps[2]);
  await platform.caughtUp();
  // 1.5 was no rate when rates came to be, and does not become one now that a rate may be a fraction.
  const three = { orders: 7, cents: 1_490.5, rates: 42, noted: 2, vips: 1 };
  expect(await answer()).toMatchObject(three);
  await ingest([{ city: "Rome", cents: 1, rate: 1.5, vip: true }]);
  await run();
  expect(await answer("batch")).toMatchObject({ orders: 8, cents: 1_491.5, rates: 43.5, noted: 2, vips: 2 });
  expect(await answer()).toMatchObject({ orders: 8, cents: 1_491.5, rates: 43.5, noted: 2, vips: 2 });
  await platform.stop();
  expect(await tidemark("verify", "--app", apps[2] ?? "")).toEqual({
    code: 0,
    out: expect.stringContaining("clean"),
  });
  // Of values in records from before their fields were declared, folded from the files' texts.
  for (const from of [[], ["--archived"]]) {
    expect(await tidemark("replay", "totals-by-hour", "--app", apps[2] ?? "", ...from)).toEqual({
      code: 0,
      out: expect.stringContaining("equal: all 1 key"),
    });
  }
}, 300_000);

test.each([
  [
    "a narrower schema",
    first,
    "",
    /TIDEMARK_SCHEMA_REFUSED: event type "shop\.order\.placed": .*field "rate" is gone.*declare a new version of the type beside it, "shop\.order\.placed-v2"/,
  ],
  [
    "other partitions",
    third,
    "partitions: 3",
    /TIDEMARK_SCHEMA_REFUSED: .*partitions is 3, was 2, and is fixed for ever/,
  ],
])(
  "up does not begin on a folder with %s",
  async (_, schema, type, words) => {
    const path = await app(`refused-${ids++}`, schema, "() => ({ orders: count() })", type);
    const error = await PlatformHere.start(data, path).catch((refused: TidemarkError) => refused);
    expect(error).toBeInstanceOf(Error);
    const { code, message } = error as TidemarkError;
    expect(`${code}: ${message}`).toMatch(words);
  },
  120_000,
);

test("nothing of what was refused is left behind: the app goes on", async () => {
  expect(await tidemark("check", "--app", join(folder, "third.ts"))).toEqual({
    code: 0,
    out: expect.stringContaining("deployable"),
  });
  platform = await PlatformHere.start(data, join(folder, "third.ts"));
  await platform.caughtUp();
  expect(await answer()).toMatchObject({ orders: 8, cents: 1_491.5, rates: 43.5 });
}, 120_000);
