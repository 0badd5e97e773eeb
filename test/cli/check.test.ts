import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { dataFolder } from "../../cli/data-folder.ts";
import { loadApp } from "../../cli/load-app.ts";
import { recordDeclarations } from "../../infra/declarations/declarations.ts";
import { moveVersionPointer } from "../../infra/versions/version-pointer.ts";
import { tidemark } from "./stand-in.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));

let folder: string;
let data: string;
let apps = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-check-"));
  await mkdir(join(folder, "node_modules"));
  await symlink(repository, join(folder, "node_modules/tidemark"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
});

beforeEach(async () => {
  data = await mkdtemp(join(folder, "data-"));
  const app = await loadApp(await declared({}));
  await recordDeclarations(dataFolder(data).declarations, app, {});
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const order = `city: Type.String(), cents: Type.Integer()`;
const byCity = `defineView({ name: "by-city", from: order, by: (f) => ({ city: f.city }), measures: () => ({ orders: count() }) })`;
const turnover = `defineView({ name: "turnover", from: order, by: () => ({ hour: tumbling("1h") }), measures: (f) => ({ cents: sum(f.cents) }) })`;

/** An app of orders. */
async function declared(parts: {
  order?: string;
  rest?: string;
  views?: readonly string[];
  events?: string;
}) {
  const path = join(folder, `app-${apps++}.ts`);
  await writeFile(
    path,
    `import { count, defineApp, defineEvent, defineView, sum, tumbling, Type } from "tidemark";
const order = defineEvent({ name: "shop.order.placed", schema: Type.Object({ ${parts.order ?? order} }), ${parts.rest ?? ""} });
const visit = defineEvent({ name: "shop.page.seen", schema: Type.Object({ url: Type.String() }) });
export default defineApp({ name: "shop", views: [${(parts.views ?? [byCity, turnover]).join(", ")}], events: [${parts.events ?? "order"}] });
`,
  );
  return path;
}

/** The command, and the exit code that it leaves behind. */
async function check(app: string, ...args: readonly string[]) {
  const { code, out, err } = await tidemark(undefined, "check", "--app", app, "--data", data, ...args);
  const left = process.exitCode;
  process.exitCode = undefined;
  return { code: left ?? code, out, err };
}

test("an app that is as it was is unchanged, line by line", async () => {
  const { code, out } = await check(await declared({}));
  expect(code).toBe(0);
  expect(out).toBe(`what        name               verdict    what it means
──────────  ─────────────────  ─────────  ─────────────
event type  shop.order.placed  unchanged
view        by-city            unchanged
view        turnover           unchanged

deployable: "tidemark up" takes this app
`);
});

test("what changes, comes and goes is told, with what it means until the next batch run", async () => {
  const wider = `city: Type.String(), cents: Type.Number(), kind: Type.Optional(Type.String({ default: "web" }))`;
  const kinds = `defineView({ name: "kinds", from: order, by: (f) => ({ kind: f.kind }), measures: () => ({ orders: count() }) })`;
  const { code, out } = await check(
    await declared({ order: wider, views: [turnover, kinds], events: "order, visit" }),
  );
  expect(code).toBe(0);
  expect(out).toBe(`what        name               verdict          what it means
──────────  ─────────────────  ───────────────  ──────────────────────────────────────────────────────────────────────
event type  shop.order.placed  changed          "cents" is number, was integer
                                                adds "kind" (string, "web" where it is missing)
event type  shop.page.seen     new              nothing of it has been taken yet
view        turnover           needs recompute  until the next batch run the speed layer answers it from the whole log
view        kinds              new              until the next batch run the speed layer answers it from the whole log
view        by-city            gone             it is not answered any more; its generations are kept

deployable: "tidemark up" takes this app
`);
});

test("who computes a view and whether its rows are told are no part of its meaning, but a change of them is told", async () => {
  const saying = (view: string, more: string) => view.replace("from:", `${more}, from:`);
  /** Of the views, compared with those of the call before. */
  const verdicts = async (...views: readonly string[]) => {
    const app = await declared({ views });
    const { code, out } = await check(app, "--json");
    expect(code).toBe(0);
    await recordDeclarations(dataFolder(data).declarations, await loadApp(app), {});
    const [, ...ofViews]: readonly { verdict: string; meaning: readonly string[] }[] =
      JSON.parse(out).verdicts;
    return ofViews.map(({ verdict, meaning }) => [verdict, ...meaning]);
  };
  const ofBatch = "no tail of it is kept, and answers are what the last batch run covered";
  const bySpeed = saying(turnover, 'layers: "speed"');
  expect(await verdicts(saying(byCity, "publish: true"), bySpeed)).toEqual([
    ["changed", 'its rows are told as they change, in a cluster, to the topic "shop.by-city.changes"'],
    [
      "changed",
      'layers is "speed", was "both": no more generations of it are made, and it is not answered until the speed layer has folded all records',
    ],
  ]);
  expect(await verdicts(saying(byCity, 'layers: "batch"'), bySpeed)).toEqual([
    [
      ...["changed", `layers is "batch", was "both": ${ofBatch}`],
      'no more changes of its rows are told; the topic "shop.by-city.changes" stays as it is',
    ],
    ["unchanged"],
  ]);
  expect(await verdicts(byCity, saying(turnover, 'layers: "batch"').replace("1h", "1d"))).toEqual([
    ["changed", 'layers is "both", was "batch": both layers go on from what there is of it'],
    [
      ...["needs recompute", "it is not answered until the next batch run has built it"],
      `layers is "batch", was "speed": ${ofBatch}`,
    ],
  ]);
});

test("of a folder that does not say who computed a view nothing is told", async () => {
  const path = join(dataFolder(data).declarations, "views.json");
  const recorded: Record<string, { fingerprint: string }> = JSON.parse(await readFile(path, "utf8"));
  const former = Object.entries(recorded).map(([name, { fingerprint }]) => [name, fingerprint]);
  await writeFile(path, JSON.stringify(Object.fromEntries(former)));
  const published = byCity.replace("from:", "publish: true, from:");
  const { out } = await check(await declared({ views: [published, turnover] }));
  expect(out.match(/unchanged/g)).toHaveLength(3);
});

test("an event type that is not in the app any more is gone, its records are kept", async () => {
  const visits = `defineView({ name: "visits", from: visit, by: (f) => ({ url: f.url }), measures: () => ({ views: count() }) })`;
  const { code, out } = await check(await declared({ views: [visits], events: "visit" }));
  expect(code).toBe(0);
  expect(out).toMatch(/event type +shop\.order\.placed +gone +no more of it are taken; its records are kept/);
});

test("what is refused is refused with every reason and the way out, and so are its views", async () => {
  const { code, out } = await check(
    await declared({
      order: `city: Type.String(), total: Type.Integer()`,
      rest: "partitions: 8",
      views: [byCity],
    }),
  );
  expect(code).toBe(1);
  expect(out).toMatch(/event type +shop\.order\.placed +refused +see below/);
  expect(out).toMatch(/view +by-city +refused +its event type shop\.order\.placed is/);
  for (const reason of [
    "partitions is 8, was 4, and is fixed for ever: events of one key would lie in two partitions",
    'field "cents" is gone: records have it; keep it, as Type.Optional if no more come',
    'field "total" is new and required, which records lack: make it Type.Optional(…)',
    'declare a new version of the type beside it, "shop.order.placed-v2"',
    'refused: "tidemark up" does not take this app',
  ]) {
    expect(out).toContain(reason);
  }
});

test("--json says the same to scripts", async () => {
  const app = await declared({ order: `city: Type.String()`, views: [byCity] });
  const { code, out } = await check(app, "--json");
  expect(code).toBe(1);
  expect(JSON.parse(out)).toEqual({
    deployable: false,
    verdicts: [
      {
        kind: "event type",
        name: "shop.order.placed",
        verdict: "refused",
        meaning: [expect.stringContaining('field "cents" is gone')],
      },
      { kind: "view", name: "by-city", verdict: "refused", meaning: ["its event type shop.order.placed is"] },
      {
        kind: "view",
        name: "turnover",
        verdict: "gone",
        meaning: ["it is not answered any more; its generations are kept"],
      },
    ],
  });
});

test("it says how it is used, with examples", async () => {
  const { code, out } = await tidemark(undefined, "check", "--help");
  expect(code).toBe(0);
  for (const text of [
    "Usage: tidemark check",
    "--app <file>",
    "--data <folder>",
    "--json",
    "$ tidemark check",
  ]) {
    expect(out).toContain(text);
  }
});

test("a folder on which no app has run is nothing to compare with", async () => {
  data = join(folder, "nowhere");
  const { code, err } = await check(await declared({}));
  expect(code).toBe(1);
  expect(err).toMatch(/^TIDEMARK_CONFIG: .*nowhere holds no app to compare with/);
});

test("says what becomes of versions: one that is new, one that is active and changed, one that is active and gone", async () => {
  const city = (version: number, measures: string) =>
    `defineView({ name: "by-city", version: ${version}, from: order, by: (f) => ({ city: f.city }), measures: ${measures} })`;
  const counted = `() => ({ orders: count() })`;
  const [first, second] = [city(1, counted), city(2, counted)];
  const both = await declared({ views: [first, second, turnover] });
  const added = JSON.parse((await check(both, "--json")).out).verdicts;
  expect(added).toContainEqual({
    ...{ kind: "view", name: "by-city@2", verdict: "new" },
    meaning: ["it is not answered until the next batch run has built it"],
  });
  expect(added).toContainEqual({ kind: "view", name: "by-city", verdict: "unchanged", meaning: [] });
  await recordDeclarations(dataFolder(data).declarations, await loadApp(both), {});
  await moveVersionPointer(dataFolder(data).versions, "by-city", () => ({ active: 2, former: 1 }));
  const changed = await declared({ views: [first, city(2, `(f) => ({ cents: sum(f.cents) })`), turnover] });
  expect(JSON.parse((await check(changed, "--json")).out).verdicts).toContainEqual({
    ...{ kind: "view", name: "by-city@2", verdict: "needs recompute" },
    meaning: [
      "it is not answered until the next batch run has built it",
      `"by-city" means it: until then nobody answers that name`,
    ],
  });
  expect(JSON.parse((await check(await declared({}), "--json")).out).verdicts).toContainEqual({
    ...{ kind: "view", name: "by-city@2", verdict: "gone" },
    meaning: [
      "it is not answered any more; its generations are kept",
      `"by-city" means it now: version 1 will answer in its place`,
    ],
  });
});
