import { expect, test } from "vitest";
import type { DataOf } from "../../views/event.ts";
import { fieldExpressions } from "../../views/expressions/fields.ts";
import {
  count,
  countDistinct,
  defineApp,
  defineEvent,
  defineView,
  latest,
  max,
  quantile,
  type Source,
  session,
  source,
  sum,
  Type,
  tumbling,
  type View,
  variance,
} from "../../views/index.ts";
import { shownView } from "../../views/view.ts";

const shown = defineEvent({
  name: "ads.impression.shown",
  schema: Type.Object({ campaign: Type.String(), cents: Type.Integer(), seconds: Type.Number() }),
  partitions: 3,
});
const click = defineEvent({
  name: "ads.click.made",
  schema: Type.Object({
    campaign: Type.Optional(Type.String()),
    place: Type.Integer(),
    cents: Type.Integer(),
  }),
  partitions: 2,
});

const impressions = source(shown, {
  by: (f) => ({ campaign: f.campaign, hour: tumbling("1h") }),
  measures: (f) => ({ impressions: count(), cents: sum(f.cents) }),
});
const clicks = source(click, {
  by: (f) => ({ hour: tumbling("60m"), campaign: f.campaign }),
  measures: (f) => ({ clicks: count(), cents: sum(f.cents) }),
});
const clickThrough = of(impressions, clicks);

/** As from JavaScript, where the compiler refuses nothing. */
function of(...from: readonly Source[]): View {
  return defineView({ name: "click-through", from } as never);
}

test("a view of several event types has the dimensions in which they agree, null where one can be, and the measures of all", () => {
  expect(clickThrough.dimensions).toEqual([{ name: "campaign", type: "string", nullable: true }]);
  expect(clickThrough.columns.map(({ name, zero }) => [name, zero])).toEqual([
    ["impressions.count", 0],
    ["cents.sum", null],
    ["clicks.count", 0],
  ]);
});

test("topics and partitions are numbered through in order of the topics' names, whatever the order of the sources", () => {
  const places = [0, 1].map((p) => [click.name, p]).concat([0, 1, 2].map((p) => [shown.name, p]));
  for (const view of [clickThrough, of(clicks, impressions)]) {
    expect(view.mappings.map(({ event }) => event)).toEqual([click, shown]);
    expect(view.partitions.map(({ topic, partition }) => [topic, partition])).toEqual(places);
  }
});

test("an app has the event types of all sources", () => {
  expect(defineApp({ name: "ads", views: [clickThrough] }).events).toEqual([click, shown]);
});

test("the fingerprint of several sources follows the meaning of each, and the cells' order", () => {
  const by = () => ({});
  const views = [
    of(source(shown, { by, measures: () => ({ n: count() }) })),
    defineView({ name: "n", from: shown, by, measures: () => ({ n: count() }) }),
    clickThrough,
    of(clicks, impressions),
    of(impressions, source(click, { ...typed(clicks), where: (f) => f.place.gt(0) })),
    of(impressions, source(defineEvent({ ...click, name: click.name, partitions: 5 }), typed(clicks))),
  ];
  const [one, plain, ...others] = views.map(({ fingerprint }) => fingerprint);
  expect(one).toBe(plain);
  expect(new Set(others).size).toBe(4);
});

/** Its declaration, to be changed. */
function typed(each: Source): Parameters<typeof source<typeof click, never, never>>[1] {
  return each as never;
}

const other = (declaration: object) => source(click, { ...typed(clicks), ...declaration } as never);
const measures = (measured: object) => other({ measures: () => measured });
const { cents, seconds } = fieldExpressions<DataOf<typeof shown>>("shown", shown.fields);
const withMeasure = (measured: object) =>
  source(shown, { ...typed(impressions), measures: () => measured } as never) as Source;

test.each<readonly [string, readonly Source[], string]>([
  ["no source at all", [], "give at least one source"],
  [
    "a dimension that one source lacks",
    [impressions, other({ by: () => ({ hour: tumbling("1h") }) })],
    "must agree",
  ],
  [
    "a dimension of another type",
    [impressions, other({ by: (f: { place: never }) => ({ campaign: f.place, hour: tumbling("1h") }) })],
    "campaign (integer)",
  ],
  [
    "a window of another length",
    [
      impressions,
      other({ by: (f: { campaign: never }) => ({ campaign: f.campaign, hour: tumbling("2h") }) }),
    ],
    "hour (tumbling 2h)",
  ],
  [
    "days of another zone",
    ["UTC", "Asia/Kolkata"].map((tz, i) =>
      source(i === 0 ? shown : click, {
        by: () => ({ day: tumbling("1w", { tz }) }),
        measures: () => ({ n: count() }),
      }),
    ),
    "day (calendar 1w of Asia/Kolkata)",
  ],
  ["a measure that is another aggregate", [impressions, measures({ cents: count() })], "as sum of integer"],
  ["a measure of another type", [impressions, measures({ cents: sum(seconds) })], "as sum of number"],
  [
    "a measure that shows another share",
    [withMeasure({ q: quantile(cents, 0.5) }), measures({ q: quantile(cents, 0.9) })],
    "0.9",
  ],
  [
    "a measure that divides otherwise",
    [withMeasure({ v: variance(cents) }), measures({ v: variance(cents, { of: "population" }) })],
    "population",
  ],
  [
    "a measure with another error",
    [withMeasure({ d: countDistinct(cents) }), measures({ d: countDistinct(cents, { error: 0.1 }) })],
    '"d"',
  ],
  ["a source that measures nothing", [impressions, measures({})], "each source at least one measure"],
  ["one event type twice", [impressions, clicks, clicks], "two sources of"],
])("%s is refused when it is declared", (_what, sources, reason) => {
  expect(() => of(...sources)).toThrow(
    expect.objectContaining({
      code: "TIDEMARK_DECLARATION_VIEW",
      message: expect.stringContaining(reason),
    }),
  );
});

test("what each source declares can't be declared of all", () => {
  const declaration = { name: "all", from: [impressions, clicks], where: () => true };
  expect(() => defineView(declaration as never)).toThrow(
    expect.objectContaining({
      code: "TIDEMARK_DECLARATION_VIEW",
      message: expect.stringContaining('"where"'),
    }),
  );
});

test("measures of several sources need not be of the same fields, nor under the same conditions", () => {
  const { measures } = of(
    withMeasure({ most: max(cents, { where: seconds.gt(1) }), last: latest(cents) }),
    other({
      measures: (f: { cents: never; place: never }) => ({ most: max(f.place), last: latest(f.cents) }),
    }),
  );
  expect(measures.map(({ name }) => name)).toEqual(["most", "last"]);
});

test("sessions of several event types are of all their records, and measured by all their measures", () => {
  const by = (f: { campaign: never }) => ({ campaign: f.campaign, visit: session("30m") });
  const view = defineView({
    name: "visits",
    from: [source(shown, { ...typed(impressions), by } as never), other({ by })],
    sessions: (s: Record<"cents" | "clicks", never>) => ({ spent: max(s.cents), both: max(s.clicks) }),
  } as never);
  const added = view.mappings.map(({ inSession }) => inSession?.map(({ name }) => name));
  expect(added).toEqual([
    ["cents", "clicks"],
    ["impressions", "cents"],
  ]);
  expect(view.columns.map(({ name }) => name)).toEqual(["visit.pieces"]);
  expect(shownView(view).measures.map(({ name }) => name)).toEqual([
    ...["impressions", "cents", "clicks"],
    ...["spent", "both", "visitEnd"],
  ]);
});
