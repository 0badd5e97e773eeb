import { expect, test } from "vitest";
import type { Aggregate } from "../../views/aggregate.ts";
import type { FieldsOf } from "../../views/event.ts";
import {
  count,
  countDistinct,
  defineApp,
  defineEvent,
  defineView,
  distinct,
  each,
  histogram,
  latest,
  max,
  mean,
  quantile,
  session,
  sliding,
  sum,
  Type,
  tumbling,
  when,
} from "../../views/index.ts";
import type { Cell } from "../../views/state.ts";

const click = defineEvent({
  name: "web.page.clicked",
  schema: Type.Object({ page: Type.String(), ms: Type.Integer(), share: Type.Optional(Type.Number()) }),
});

type Fields = FieldsOf<typeof click>;

const declaration = {
  name: "clicks",
  from: click,
  by: (f: { page: never }) => ({ page: f.page, hour: tumbling("1h") }),
  measures: () => ({ clicks: count() }),
} as const;

const clicks = defineView({
  name: "clicks",
  from: click,
  by: (f) => ({ page: f.page, hour: tumbling("1h") }),
  measures: (f) => ({ clicks: count(), slow: count({ where: f.ms.gt(100) }), mean: mean(f.ms) }),
});

const ofClicks = {
  name: "clicks",
  from: click,
  by: () => ({}),
  measures: (f: FieldsOf<typeof click>) => ({ clicks: count(), page2: max(f.page) }),
};

const visit = defineEvent({
  name: "web.page.visited",
  schema: Type.Object({
    ms: Type.Integer(),
    left: Type.Time(),
    ad: Type.Optional(Type.Object({ id: Type.String() })),
    tags: Type.Array(Type.String()),
    steps: Type.Optional(
      Type.Array(Type.Object({ page: Type.String(), tags: Type.Object({ first: Type.String() }) })),
    ),
  }),
});
const ofVisits = {
  name: "visits",
  from: visit,
  by: () => ({}),
  measures: () => ({ visits: count() }),
};

const ofSteps = {
  name: "steps",
  from: each(visit, (f) => f.steps),
  by: () => ({}),
  measures: () => ({ steps: count() }),
};

test("a view of a list's elements means another thing than one of its events, or of another list", () => {
  const from = [visit, each(visit, (f) => f.steps), each(visit, (f) => f.tags)];
  const fingerprints = from.map(
    (each) => defineView({ ...ofVisits, from: each as typeof visit }).fingerprint,
  );
  expect(new Set(fingerprints).size).toBe(3);
});

function measured(make: (f: FieldsOf<typeof click>) => Aggregate) {
  return () => defineView({ name: "clicks", from: click, by: () => ({}), measures: (f) => ({ m: make(f) }) });
}

test("derived measures are computed from what is shown, null where one is null or the divisor is 0", () => {
  const view = defineView({
    name: "clicks",
    from: click,
    by: () => ({}),
    measures: (f) => ({ clicks: count(), ms: sum(f.share), p50: quantile(f.ms, 0.5) }),
    derived: (m) => ({
      perClick: m.ms.dividedBy(m.clicks),
      percent: m.ms.dividedBy(m.clicks).times(100).minus(1).plus(m.clicks),
      half: m.p50.dividedBy(2),
    }),
  });
  const values = (...cells: Cell[]) =>
    view.measures.slice(3, 5).map(({ aggregate, firstCell }) => aggregate.present(cells, firstCell));
  expect(values(4, 1, null)).toEqual([0.25, 28]);
  expect(values(0, 1, null)).toEqual([null, null]);
  expect(values(4, null, null)).toEqual([null, null]);
  expect(view.columns).toHaveLength(3);
  expect(view.measures[5]?.aggregate.approximation).toMatch(/^p50: quantile: off by at most/);
});

test("what is derived can change without a change of states", () => {
  const plain = defineView(ofClicks).fingerprint;
  expect(defineView({ ...ofClicks, derived: (m) => ({ twice: m.clicks.times(2) }) }).fingerprint).toBe(plain);
});

function declare(change: Partial<Parameters<typeof defineView>[0]>) {
  return () => defineView({ ...declaration, ...change } as unknown as Parameters<typeof defineView>[0]);
}

test("a view is frozen through and through", () => {
  const seen = new Set<unknown>();
  const walk = (value: unknown) => {
    if (typeof value !== "object" || value === null || seen.has(value) || value === click.schema) return;
    seen.add(value);
    expect(Object.isFrozen(value), JSON.stringify(value)).toBe(true);
    for (const part of Object.values(value)) walk(part);
  };
  walk(clicks);
  expect(seen.size).toBeGreaterThan(15);
});

test("the fingerprint follows the meaning, not the name", () => {
  const again = (change: object) =>
    defineView({
      name: "other",
      from: click,
      by: (f) => ({ page: f.page, hour: tumbling("1h") }),
      measures: (f) => ({ clicks: count(), slow: count({ where: f.ms.gt(100) }), mean: mean(f.ms) }),
      ...change,
    }).fingerprint;
  expect(again({})).toBe(clicks.fingerprint);
  const by = (length: string) => (f: Pick<Fields, "page">) => ({ page: f.page, hour: tumbling(length) });
  const measures = (factor: number, least: number) => (f: Fields) => ({
    clicks: count(),
    slow: count({ where: f.ms.gt(least) }),
    mean: mean(f.ms.times(factor)),
  });
  const others = {
    "a dimension less": { by: () => ({ hour: tumbling("1h") }) },
    "a dimension under another name": { by: (f: Fields) => ({ path: f.page, hour: tumbling("1h") }) },
    "panes of another length": { by: by("2h") },
    "no panes": { by: (f: Fields) => ({ page: f.page }) },
    "records of a condition": { where: (f: Fields) => f.ms.gt(0) },
    "fewer measures": { measures: () => ({ clicks: count() }) },
    "a measure of twice as much": { measures: measures(2, 100) },
    "a measure of another condition": { measures: measures(2, 101) },
    "a measure of three times as much": { measures: measures(3, 100) },
    "another event type": { from: defineEvent({ ...click, name: "web.page.shown" }) },
    "another rule of duplicates": { from: defineEvent({ ...click, name: click.name, duplicatesWithin: 9 }) },
  };
  const seen = new Set([clicks.fingerprint]);
  for (const [what, change] of Object.entries(others)) {
    const fingerprint = again(change);
    expect(seen, what).not.toContain(fingerprint);
    seen.add(fingerprint);
  }
});

test.each([
  ["a window's length", () => tumbling("1 hour"), "TIDEMARK_DECLARATION_WINDOW", '"1h"'],
  ["a view's name", declare({ name: "Clicks!" }), "TIDEMARK_DECLARATION_NAME", '"Clicks!"'],
  [
    "a column that a query means otherwise",
    declare({ measures: () => ({ limit: count() }) }),
    "TIDEMARK_DECLARATION_NAME",
    '"limit"',
  ],
  [
    "two columns of one name",
    declare({ measures: () => ({ Page: count() }) }),
    "TIDEMARK_DECLARATION_NAME",
    'two columns named "Page"',
  ],
  ["no measure", declare({ measures: () => ({}) }), "TIDEMARK_DECLARATION_VIEW", "at least one"],
  [
    "two windows",
    declare({ by: () => ({ hour: tumbling("1h"), day: tumbling("1d") }) }),
    "TIDEMARK_DECLARATION_WINDOW",
    "two windows",
  ],
  [
    "how often windows begin, if that is no part of their length",
    () => sliding("1h", { every: "7m" }),
    "TIDEMARK_DECLARATION_WINDOW",
    "must be a multiple of every",
  ],
  [
    "how often windows begin, if that is no length",
    () => sliding("1h", { every: "often" }),
    "TIDEMARK_DECLARATION_WINDOW",
    '{ every: "5m" }',
  ],
  [
    "windows that overlap, longer than there are panes",
    () => sliding("3661d", { every: "1d" }),
    "TIDEMARK_DECLARATION_WINDOW",
    "at most 3660d",
  ],
  [
    "months that overlap",
    () => sliding("1mo", { every: "1d" }),
    "TIDEMARK_DECLARATION_WINDOW",
    "can't slide",
  ],
  [
    "windows of too many panes",
    () => sliding("1d", { every: "1m" }),
    "TIDEMARK_DECLARATION_WINDOW",
    "from 1440 panes; give a longer every, at most 1000",
  ],
  ["a gap that is no length", () => session("77d"), "TIDEMARK_DECLARATION_WINDOW", "76d"],
  [
    "measures over sessions where there are none",
    declare({ sessions: () => ({ visits: count() }) }),
    "TIDEMARK_DECLARATION_WINDOW",
    "no sessions",
  ],
  [
    "a sum of floats in sessions",
    declare({
      by: () => ({ visit: session("30m") }),
      measures: (f) => ({ total: sum((f as unknown as Record<string, never>).share as never) }),
    }),
    "TIDEMARK_DECLARATION_TYPE",
    "scale",
  ],
  [
    "the latest of sessions",
    declare({
      by: () => ({ visit: session("30m") }),
      sessions: (s) => ({ last: latest(s.length) }),
    }),
    "TIDEMARK_DECLARATION_TYPE",
    "neither is the first",
  ],
  [
    "a measure named as what sessions have",
    declare({ by: () => ({ visit: session("30m") }), measures: () => ({ length: count() }) }),
    "TIDEMARK_DECLARATION_NAME",
    "start, end, length",
  ],
  [
    "an unknown field",
    declare({ by: (f) => ({ page: (f as unknown as Record<string, never>).pag as never }) }),
    "TIDEMARK_DECLARATION_FIELD",
    "page, ms, share",
  ],
  [
    "a float dimension",
    declare({ by: (f) => ({ share: (f as unknown as Record<string, never>).share as never }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "float",
  ],
  [
    "an event type's name",
    () => defineEvent({ name: "clicked", schema: Type.Object({}) }),
    "TIDEMARK_DECLARATION_NAME",
    "<domain>",
  ],
  ["a share that is none", measured((f) => quantile(f.ms, 1.5)), "TIDEMARK_DECLARATION_TYPE", "0 to 1"],
  [
    "an error that no sketch keeps to",
    measured((f) => countDistinct(f.page, { error: 0.001 })),
    "TIDEMARK_DECLARATION_TYPE",
    "0.0021",
  ],
  [
    "edges that do not rise",
    measured((f) => histogram(f.ms, { edges: [0, 10, 10] })),
    "TIDEMARK_DECLARATION_TYPE",
    "greater than the one before",
  ],
  [
    "a measure derived from a histogram",
    () =>
      defineView({
        ...ofClicks,
        measures: (f: FieldsOf<typeof click>) => ({ page2: histogram(f.ms, { edges: [0] }) }),
        derived: (m) => ({ rate: m.page2.plus(1) }),
      }),
    "TIDEMARK_DECLARATION_TYPE",
    "a histogram",
  ],
  ["a cap of nothing", measured((f) => distinct(f.page, { upTo: 0 })), "TIDEMARK_DECLARATION_TYPE", "upTo"],
  [
    "a scale of integers",
    measured((f) => sum(f.ms, { scale: 2 })),
    "TIDEMARK_DECLARATION_TYPE",
    "Type.Number",
  ],
  [
    "an aggregate of a wrong type",
    measured((f) => sum(f.page as never)),
    "TIDEMARK_DECLARATION_TYPE",
    "not string",
  ],
  [
    "a measure derived from one that there is not",
    () =>
      defineView({
        ...ofClicks,
        derived: (m) => ({ rate: (m as never as { click: typeof m.clicks }).click }),
      }),
    "TIDEMARK_DECLARATION_FIELD",
    "clicks, page2",
  ],
  [
    "a measure derived from a text",
    () => defineView({ ...ofClicks, derived: (m) => ({ rate: m.page2.plus(1) }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "string",
  ],
  [
    "a field no view could compute with",
    () => defineEvent({ name: "a.b.c", schema: Type.Object({ tags: Type.Null() }) }),
    "TIDEMARK_DECLARATION_FIELD",
    '"tags"',
  ],
  [
    "lists in a list",
    () =>
      defineEvent({
        name: "a.b.c",
        schema: Type.Object({ rows: Type.Array(Type.Object({ cells: Type.Array(Type.String()) })) }),
      }),
    "TIDEMARK_DECLARATION_FIELD",
    '"rows"',
  ],
  [
    "rows of elements of what is no list",
    () => each(visit, (f) => f.ms as never),
    "TIDEMARK_DECLARATION_FIELD",
    "no list",
  ],
  [
    "rows of elements beside a field of their name",
    () =>
      each(
        defineEvent({
          name: "a.b.c",
          schema: Type.Object({ item: Type.String(), tags: Type.Array(Type.String()) }),
        }),
        (f) => f.tags,
      ),
    "TIDEMARK_DECLARATION_FIELD",
    '"item"',
  ],
  [
    "a field that an element doesn't have",
    () =>
      defineView({
        ...ofSteps,
        measures: (f: FieldsOf<typeof ofSteps.from>) => ({ n: max((f.item as never as typeof f).ms) }),
      }),
    "TIDEMARK_DECLARATION_FIELD",
    "page, tags",
  ],
  [
    "an object among the elements",
    () =>
      defineView({ ...ofSteps, where: (f: FieldsOf<typeof ofSteps.from>) => f.steps.contains("a" as never) }),
    "TIDEMARK_DECLARATION_TYPE",
    "each()",
  ],
  [
    "an object without fields",
    () => defineEvent({ name: "a.b.c", schema: Type.Object({ ad: Type.Object({}) }) }),
    "TIDEMARK_DECLARATION_FIELD",
    '"ad"',
  ],
  [
    "a field by the path of another",
    () =>
      defineEvent({
        name: "a.b.c",
        schema: Type.Object({ ad: Type.Object({ id: Type.String() }), "Ad.id": Type.String() }),
      }),
    "TIDEMARK_DECLARATION_FIELD",
    '"ad.id"',
  ],
  [
    "a field that an object doesn't have",
    () =>
      defineView({
        ...ofVisits,
        by: (f: FieldsOf<typeof visit>) => ({ ad: (f.ad as never as typeof f).left.date() }),
      }),
    "TIDEMARK_DECLARATION_FIELD",
    '"ad", has no field "left"; its fields are id',
  ],
  [
    "a dimension of times",
    () => defineView({ ...ofVisits, by: (f: FieldsOf<typeof visit>) => ({ left: f.left as never }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "date()",
  ],
  [
    "the sum of times",
    () => defineView({ ...ofVisits, measures: (f: FieldsOf<typeof visit>) => ({ n: sum(f.left as never) }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "not time",
  ],
  [
    "a time beside what is none",
    () =>
      defineView({ ...ofVisits, where: (f: FieldsOf<typeof visit>) => f.left.gt("2024-02-30T00:00:00Z") }),
    "TIDEMARK_DECLARATION_TYPE",
    "RFC 3339",
  ],
  [
    "a time beside an integer",
    () => defineView({ ...ofVisits, where: (f: FieldsOf<typeof visit>) => f.left.gt(f.ms as never) }),
    "TIDEMARK_DECLARATION_TYPE",
    "a time can't be compared",
  ],
  [
    "fields that differ in case only",
    () => defineEvent({ name: "a.b.c", schema: Type.Object({ a: Type.String(), A: Type.String() }) }),
    "TIDEMARK_DECLARATION_FIELD",
    '"A"',
  ],
  [
    "a field that every object has",
    () => defineEvent({ name: "a.b.c", schema: Type.Object({ toString: Type.String() }) }),
    "TIDEMARK_DECLARATION_FIELD",
    "toString",
  ],
  [
    "a key that may be missing",
    () => {
      const schema = Type.Object({ page: Type.Optional(Type.String()) });
      return defineEvent({ name: "a.b.c", schema, key: (f) => f.page });
    },
    "TIDEMARK_DECLARATION_FIELD",
    "key must be a required",
  ],
  [
    "a key that is a float",
    () => defineEvent({ name: "a.b.c", schema: Type.Object({ at: Type.Number() }), key: (f) => f.at }),
    "TIDEMARK_DECLARATION_FIELD",
    "string or integer field",
  ],
  [
    "a key that is computed",
    () => defineEvent({ ...click, name: "a.b.c", key: (f) => f.page.lower() }),
    "TIDEMARK_DECLARATION_FIELD",
    "key must be a required",
  ],
  [
    "a number of partitions",
    () => defineEvent({ name: "a.b.c", schema: Type.Object({}), partitions: 0 }),
    "TIDEMARK_DECLARATION_TYPE",
    "partitions",
  ],
  [
    "two views of one name",
    () => defineApp({ name: "a", views: [clicks, clicks] }),
    "TIDEMARK_DECLARATION_APP",
    '"clicks"',
  ],
  [
    "an app without anything",
    () => defineApp({ name: "a", views: [] }),
    "TIDEMARK_DECLARATION_APP",
    "at least one",
  ],
  [
    "a literal of another type",
    declare({ where: (f) => (f as unknown as typeof fields).ms.gt("1" as never) }),
    "TIDEMARK_DECLARATION_TYPE",
    "integer",
  ],
  [
    "the digits of a float",
    declare({ by: (f) => ({ share: (f as unknown as Fields).share.toText() }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "round()",
  ],
  [
    "the quotient of a float",
    declare({ by: (f) => ({ share: (f as unknown as Fields).share.quotient(2) }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "integers",
  ],
  [
    "a quotient by nothing",
    declare({ by: (f) => ({ ms: (f as unknown as Fields).ms.quotient(0) }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "quotient(0)",
  ],
  [
    "an empty separator",
    declare({ by: (f) => ({ page: (f as unknown as Fields).page.part("", 1) }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "separator",
  ],
  [
    "half a surrogate pair",
    declare({ where: (f) => (f as unknown as Fields).page.contains("\ud83d") }),
    "TIDEMARK_DECLARATION_TYPE",
    "string",
  ],
  [
    "a case whose outcomes are of two types",
    declare({ by: (f) => ({ a: when((f as unknown as Fields).ms.gt(1), "slow").otherwise(1 as never) }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "string",
  ],
] as const)("%s that is not supported is refused when it is declared", (_what, declare, code, words) => {
  expect(declare).toThrow(expect.objectContaining({ code, message: expect.stringContaining(words) }));
});

declare const fields: { ms: { gt(value: number): never } };

test("an app takes in the event types of its views, each once", () => {
  const sums = defineView({
    name: "sums",
    from: click,
    by: () => ({}),
    measures: (f) => ({ ms: sum(f.ms) }),
  });
  expect(defineApp({ name: "a", views: [clicks, sums] }).events).toEqual([click]);
});
