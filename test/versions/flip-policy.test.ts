import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Reconciliation } from "../../infra/generations/generations.ts";
import { readFlipVerdicts } from "../../infra/versions/flip-verdicts.ts";
import { moveVersionPointer, readVersionPointer } from "../../infra/versions/version-pointer.ts";
import { systemClock, Turns } from "../../serving-layer/clock.ts";
import { flipByPolicy } from "../../serving-layer/flip-policy.ts";
import type { FlipDeclaration } from "../../views/flip.ts";
import { count, defineView } from "../../views/index.ts";
import type { View } from "../../views/view.ts";
import { measured } from "../serving/measured.ts";
import { PlainGenerations } from "../serving/plain-stores.ts";

const version = (number: number, flip: FlipDeclaration = "manual", layers: "both" | "speed" = "both") =>
  defineView({
    ...{ name: "totals", version: number, flip, layers, from: measured },
    by: (f) => ({ site: f.site }),
    measures: () => ({ records: count() }),
  });

describe("a policy", () => {
  test("changes nothing of what a view means", () => {
    const plain = version(2);
    const when = version(2, { when: { cleanRuns: 3, changedShare: 0.5 } });
    expect(when.fingerprint).toBe(plain.fingerprint);
    expect([plain.flip, when.flip, version(2, { when: {} }).flip]).toEqual([
      "manual",
      { when: { cleanRuns: 3, changedShare: 0.5 } },
      { when: { cleanRuns: 1, changedShare: null } },
    ]);
  });

  test.each([
    [2, "soon", /flip is "manual", or \{ when: .*, not "soon"/],
    [2, { when: { runs: 3 } }, /flip is "manual", or/],
    [2, { when: {}, also: 1 }, /flip is "manual", or/],
    [2, { when: { cleanRuns: 0 } }, /"totals@2": cleanRuns must be a whole number from 1 to 1000, not 0/],
    [2, { when: { cleanRuns: 1.5 } }, /cleanRuns must be/],
    [2, { when: { changedShare: 5 } }, /changedShare must be a share of the rows from 0 to 1.*not 5/],
    [1, { when: {} }, /version 1 follows no other/],
  ])("of version %s that says %j is refused", (number, flip, message) => {
    expect(() => version(number, flip as FlipDeclaration)).toThrow(
      expect.objectContaining({
        code: "TIDEMARK_DECLARATION_VIEW",
        message: expect.stringMatching(message),
      }),
    );
  });

  test("needs both layers, since there is nothing else to hold a version against", () => {
    expect(() => version(2, { when: {} }, "speed")).toThrow(/with layers: "speed" nothing is held against/);
  });
});

const first = version(1);
let root: string;
let generations: PlainGenerations;
let runs: number;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-policy-"));
  generations = new PlainGenerations();
  runs = 0;
});
afterEach(() => rm(root, { recursive: true }));

const clean: Reconciliation = {
  ...{ kind: "compared", against: "g", keys: 10, differing: 0, largestDrift: 0, examples: [] },
};
const drifted: Reconciliation = { ...clean, differing: 4 };
const notCompared: Reconciliation = { kind: "not-compared", reason: "no seal" };

/** A run over all versions, which found this of the last one; each row counts the given records. */
async function run(
  views: readonly View[],
  found: Reconciliation = clean,
  { cut = runs + 1, rows = { [first.name]: [1], [views.at(-1)?.name ?? ""]: [1] } } = {},
) {
  const id = `run-${++runs}`;
  for (const view of views) {
    const states = (rows[view.name] ?? [1]).map((n, i) => ({ dimensions: [`s${i}`], pane: 0, cells: [n] }));
    generations.add(view, `${id}-${view.version}`, { [measured.name]: [cut as never, 0 as never] }, states, {
      createdAt: new Date(runs * 1_000).toISOString(),
    });
    await generations.point(view.name, `${id}-${view.version}`);
  }
  return judged(views, id, found, cut);
}

function judged(views: readonly View[], id: string, found: Reconciliation, cut: number) {
  const turns = new Turns(systemClock, () => false);
  const reconciliations = views.map((view) => ({
    ...{ view: view.name, generation: id, createdAt: "", cut: `at ${cut}` },
    reconciliation: view === views.at(-1) ? found : clean,
  }));
  return flipByPolicy({ views, generations, root, turns }, { id, reconciliations });
}

const active = async () => (await readVersionPointer(root, "totals"))?.active ?? 1;
const held = async () => (await readFlipVerdicts(root, "totals")).map((verdict) => verdict.held);
const back = () =>
  moveVersionPointer(root, "totals", (known) => ({
    ...{ active: known?.former ?? 1, former: known?.active ?? null },
  }));

test("a version is flipped to after as many runs without drift, one after the other, each up to a later cut", async () => {
  const views = [first, version(2, { when: { cleanRuns: 2 } })];
  expect(await run(views, notCompared)).toEqual([]);
  expect(await held()).toEqual(["run run-1 had nothing to hold it against: no seal"]);
  await run(views);
  expect(await held()).toEqual(["1 of 2 runs without drift so far"]);
  await run(views, drifted);
  expect(await held()).toEqual(["run run-3 found drift in it: 4 of 10 keys differ"]);
  await run(views);
  await run(views, clean, { cut: 4 });
  expect([await held(), await active()]).toEqual([["1 of 2 runs without drift so far"], 1]);
  const why = "2 runs without drift, the last of them run-6";
  expect(await run(views)).toEqual([{ view: "totals", was: 1, active: 2, why }]);
  expect(await readVersionPointer(root, "totals")).toMatchObject({ active: 2, former: 1, by: "policy", why });
});

test("who has rolled back from a version is not overruled, not even after other flips; a later version is another matter", async () => {
  const [second, third] = [version(2, { when: {} }), version(3, { when: {} })];
  await run([first, second]);
  expect(await active()).toBe(2);
  await back();
  await run([first, second]);
  await run([first, second]);
  expect(await active()).toBe(1);
  await run([first, second, third]);
  expect(await active()).toBe(3);
  await back();
  await run([first, second, third]);
  expect([await active(), await readVersionPointer(root, "totals")]).toMatchObject([
    1,
    { former: 3, newest: 3 },
  ]);
});

test("of several versions the newest that may is flipped to", async () => {
  const [second, third] = [version(2, { when: {} }), version(3, { when: {} })];
  await run([first, second, third]);
  expect(await active()).toBe(3);
});

test("what is flipped to by hand is left to hands", async () => {
  for (let i = 0; i < 3; i++) expect(await run([first, version(2)])).toEqual([]);
  expect(await active()).toBe(1);
});

test("a version that differs in more rows than it may waits, and says in how many", async () => {
  const second = version(2, { when: { changedShare: 0.25 } });
  const rows = (of2: readonly number[]) => ({
    rows: { [first.name]: [1, 1, 1, 1], [second.name]: [...of2] },
  });
  await run([first, second], clean, rows([1, 1, 2, 2]));
  expect(await held()).toEqual([
    `2 of 4 rows differ from version 1 at ${measured.name}@0:1,1:0, more than 25 %`,
  ]);
  await run([first, second], clean, rows([1, 1, 1]));
  expect([await active(), await held()]).toEqual([2, [null]]);
});

test("a version whose rows can't be held against the active one's waits if so many may differ, and does not if any", async () => {
  const other = (flip: FlipDeclaration) =>
    defineView({
      ...{ name: "totals", version: 2, flip, from: measured },
      by: (f) => ({ place: f.site }),
      measures: () => ({ records: count() }),
    });
  await run([first, other({ when: { changedShare: 1 } })]);
  expect(await held()).toEqual([expect.stringContaining("their dimensions differ")]);
  await run([first, other({ when: {} })]);
  expect(await active()).toBe(2);
});

test("runs of another declaration of the version do not count for this one", async () => {
  const when = { cleanRuns: 2 };
  const edited = defineView({
    ...{ name: "totals", version: 2, flip: { when }, from: measured },
    by: (f) => ({ site: f.site }),
    measures: (f) => ({ records: count({ where: f.isOn }) }),
  });
  await run([first, version(2, { when })]);
  await run([first, edited]);
  expect([await active(), await held()]).toEqual([1, ["1 of 2 runs without drift so far"]]);
});

test("a run that is told twice counts once, and two that judge at once flip once", async () => {
  const views = [first, version(2, { when: { cleanRuns: 2 } })];
  await run(views);
  expect(await judged(views, "run-1", clean, 1)).toEqual([]);
  const both = await Promise.all([run(views), judged(views, "run-2", clean, 2)]);
  expect(both.flat().every(({ active }) => active === 2)).toBe(true);
  expect(await readVersionPointer(root, "totals")).toMatchObject({ moves: 1, active: 2 });
});

test("a flip by hand while a policy judges stays, and the policy looks again after the next run", async () => {
  const [second, third] = [version(2), version(3, { when: {} })];
  const current = generations.current.bind(generations);
  generations.current = async (view) => {
    generations.current = current;
    await moveVersionPointer(root, "totals", () => ({ active: 2, former: 1 }));
    return current(view);
  };
  expect(await run([first, second, third])).toEqual([]);
  expect(await active()).toBe(2);
  expect(await run([first, second, third])).toMatchObject([{ was: 2, active: 3 }]);
});

test("a check of another view says nothing of this one", async () => {
  const views = [first, version(2, { when: { cleanRuns: 2 } })];
  await run(views);
  const before = await readFlipVerdicts(root, "totals");
  await judged([], "check-1", clean, 9);
  await flipByPolicy(
    { views, generations, root, turns: new Turns(systemClock, () => false) },
    { id: "check-1", reconciliations: [] },
  );
  expect(await readFlipVerdicts(root, "totals")).toEqual(before);
});
