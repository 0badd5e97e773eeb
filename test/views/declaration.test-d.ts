/** What must not compile: checked by `npm run check`. Each line below is an error, or this file is. */
import type { FieldsOf } from "../../views/event.ts";
import {
  count,
  current,
  defineChanges,
  defineDimension,
  defineEvent,
  defineTable,
  defineView,
  each,
  earliest,
  eventTime,
  histogram,
  latest,
  mean,
  min,
  session,
  sliding,
  source,
  sum,
  Type,
  tumbling,
  when,
} from "../../views/index.ts";

const click = defineEvent({
  name: "web.page.clicked",
  schema: Type.Object({ page: Type.String(), ms: Type.Integer(), isNew: Type.Optional(Type.Boolean()) }),
});
const by = () => ({ hour: tumbling("1h") });
const name = "clicks";

defineView({
  name,
  from: click,
  by: (f) => ({ page: f.page, isNew: f.isNew }),
  measures: (f) => ({ ms: sum(f.ms) }),
});
// @ts-expect-error a field that the schema doesn't have
defineView({ name, from: click, by: (f) => ({ page: f.pages }), measures: () => ({ n: count() }) });
// @ts-expect-error the sum of a text
defineView({ name, from: click, by, measures: (f) => ({ n: sum(f.page) }) });
// @ts-expect-error the mean of a boolean
defineView({ name, from: click, by, measures: (f) => ({ n: mean(f.isNew) }) });
// @ts-expect-error the smallest boolean
defineView({ name, from: click, by, measures: (f) => ({ n: min(f.isNew) }) });
// @ts-expect-error a number compared with a text
defineView({ name, from: click, by, where: (f) => f.ms.gt("1"), measures: () => ({ n: count() }) });
// @ts-expect-error a condition that is no condition
defineView({ name, from: click, by, where: (f) => f.ms, measures: () => ({ n: count() }) });
// @ts-expect-error a partition key that is no text or number
defineEvent({ name: "a.b.c", schema: Type.Object({ ok: Type.Boolean() }), key: (f) => f.ok });

const { ms, page, isNew } = {} as FieldsOf<typeof click>;
page.lower().part("/", 1).length().plus(ms).dividedBy(2).round().toText().eq("1").toInteger().gt(0);
when(isNew, "new").when(ms.gt(1), page).otherwise(null).startsWith("n");
eventTime().hour("Europe/Berlin").plus(1);
// @ts-expect-error a time as a dimension: ask for its date or its parts
defineView({ name, from: click, by: () => ({ at: eventTime() }), measures: () => ({ n: count() }) });
// @ts-expect-error a unit that is no unit
eventTime().date("fortnight");
// @ts-expect-error the lower case of a number
ms.lower();
// @ts-expect-error a text added to a number
ms.plus(page);
// @ts-expect-error a number joined to a text
page.concat(ms);
// @ts-expect-error outcomes of two types
when(isNew, "new").otherwise(1);
// @ts-expect-error an outcome that hangs on a number
when(ms, "new");
// @ts-expect-error what may be null, filled with another type
ms.coalesce("none");
const visit = defineEvent({
  name: "web.page.visited",
  schema: Type.Object({
    left: Type.Optional(Type.Time()),
    ad: Type.Optional(Type.Object({ campaign: Type.String(), cents: Type.Optional(Type.Integer()) })),
    tags: Type.Optional(Type.Array(Type.String())),
    pages: Type.Array(
      Type.Object({ path: Type.String(), at: Type.Time(), ms: Type.Optional(Type.Integer()) }),
    ),
  }),
});
defineView({
  name,
  from: visit,
  by: (f) => ({ campaign: f.ad.campaign, date: f.left.date() }),
  where: (f) =>
    f.left
      .gt("2024-01-01T00:00:00Z")
      .and(f.left.lt(eventTime()))
      .or(f.left.eq(new Date(0))),
  measures: (f) => ({ cents: sum(f.ad.cents), first: min(f.left), lastly: latest(f.left) }),
});
// @ts-expect-error a histogram of texts
defineView({ name, from: click, by, measures: (f) => ({ h: histogram(f.page, { edges: [0] }) }) });
// @ts-expect-error a histogram without edges
defineView({ name, from: click, by, measures: (f) => ({ h: histogram(f.ms, {}) }) });
const pages = each(visit, (f) => f.pages);
defineView({
  name,
  from: pages,
  by: (f) => ({ path: f.item.path, campaign: f.ad.campaign, hour: tumbling("1h") }),
  where: (f) => f.tags.contains("a").and(f.pages.length().gt(1)).or(f.item.at.lt(f.left)),
  measures: (f) => ({ views: count(), ms: sum(f.item.ms) }),
});
defineView({
  name,
  from: each(visit, (f) => f.tags),
  by: (f) => ({ tag: f.item.lower() }),
  measures: () => ({ n: count() }),
});
// @ts-expect-error an element where the view is of events
defineView({ name, from: visit, by: (f) => ({ path: f.item.path }), measures: () => ({ n: count() }) });
// @ts-expect-error a field that the element doesn't have
defineView({ name, from: pages, by: (f) => ({ tag: f.item.tag }), measures: () => ({ n: count() }) });
// @ts-expect-error a list as a dimension
defineView({ name, from: visit, by: (f) => ({ tags: f.tags }), measures: () => ({ n: count() }) });
// @ts-expect-error a number in a list of texts
defineView({ name, from: visit, by, where: (f) => f.tags.contains(1), measures: () => ({ n: count() }) });
// @ts-expect-error rows of the elements of an object
each(visit, (f) => f.ad);
// @ts-expect-error a field that the object doesn't have
defineView({ name, from: visit, by: (f) => ({ c: f.ad.name }), measures: () => ({ n: count() }) });
// @ts-expect-error an object as a dimension
defineView({ name, from: visit, by: (f) => ({ ad: f.ad }), measures: () => ({ n: count() }) });
// @ts-expect-error a time as a dimension
defineView({ name, from: visit, by: (f) => ({ at: f.left }), measures: () => ({ n: count() }) });
// @ts-expect-error the sum of a time
defineView({ name, from: visit, by, measures: (f) => ({ n: sum(f.left) }) });
// @ts-expect-error a time compared with a number
defineView({ name, from: visit, by, where: (f) => f.left.gt(0), measures: () => ({ n: count() }) });
// @ts-expect-error cases without their last
sum(when(isNew, 1));

const order = defineEvent({
  name: "web.order.placed",
  schema: Type.Object({ page: Type.Optional(Type.String()), cents: Type.Integer() }),
});
const clicksOf = source(click, {
  by: (f) => ({ page: f.page, hour: tumbling("1h") }),
  measures: () => ({ clicks: count() }),
});
const measures = () => ({ orders: count() });
defineView({
  name,
  from: [clicksOf, source(order, { by: (f) => ({ hour: tumbling("1d"), page: f.page }), measures })],
  derived: (m) => ({ rate: m.orders.dividedBy(m.clicks) }),
});
// @ts-expect-error a dimension that one of the sources lacks
defineView({ name, from: [clicksOf, source(order, { by, measures })] });
// @ts-expect-error a dimension that one of the sources has besides
defineView({ name, from: [source(order, { by, measures }), clicksOf] });
const byCents = source(order, { by: (f) => ({ page: f.cents, hour: tumbling("1h") }), measures });
// @ts-expect-error a dimension of two types
defineView({ name, from: [clicksOf, byCents] });
const byPages = source(order, { by: (f) => ({ page: f.page, hour: f.page }), measures });
// @ts-expect-error a window that is a field in another source
defineView({ name, from: [clicksOf, byPages] });
const orders = source(order, { by: (f) => ({ page: f.page, hour: tumbling("1h") }), measures });
// @ts-expect-error a derived measure of one that no source has
defineView({ name, from: [clicksOf, orders], derived: (m) => ({ rate: m.sales.dividedBy(m.clicks) }) });
// @ts-expect-error a field that the schema of this source doesn't have
source(order, { by: (f) => ({ page: f.ms }), measures });

defineView({
  name,
  from: click,
  by: () => ({ hour: sliding("1h", { every: "5m" }) }),
  measures: () => ({ n: count() }),
});
// @ts-expect-error windows that overlap, without how often one begins
defineView({ name, from: click, by: () => ({ hour: sliding("1h") }), measures: () => ({ n: count() }) });
// @ts-expect-error days of a zone that overlap
sliding("1d", { every: "1h", tz: "Europe/Rome" });

const visits = { name, from: click, by: () => ({ visit: session("30m") }) };
defineView({
  ...visits,
  measures: (f) => ({ pages: count(), landing: earliest(f.page), most: min(f.ms) }),
  sessions: (s) => ({
    bounces: count({ where: s.pages.eq(1).and(s.landing.eq("/")).and(s.start.hour().gt(8)) }),
    length: mean(s.length.plus(s.most)),
  }),
  derived: (m) => ({ rate: m.bounces.dividedBy(m.pages) }),
});
const counts = () => ({ n: count() });
// @ts-expect-error a measure that sessions do not have
defineView({ ...visits, measures: counts, sessions: (s) => ({ m: mean(s.pages) }) });
// @ts-expect-error a number compared with a text
defineView({ ...visits, measures: counts, sessions: (s) => ({ m: count({ where: s.n.eq("1") }) }) });
const ofBoth = [
  source(click, {
    by: visits.by,
    measures: (f) => ({ pages: count(), landing: earliest(f.page), isNew: latest(f.isNew) }),
  }),
  source(order, { by: visits.by, measures }),
];
defineView({
  name,
  from: ofBoth,
  sessions: (s) => ({
    buying: count({ where: s.orders.gt(0).and(s.landing.eq("/")).and(s.isNew) }),
    pages: mean(s.pages),
  }),
  derived: (m) => ({ rate: m.buying.dividedBy(m.orders) }),
});
const binned = [
  source(click, { by: visits.by, measures: (f) => ({ n: histogram(f.ms, { edges: [1] }), pages: count() }) }),
  source(order, { by: visits.by, measures }),
];
defineView({ name, from: binned, sessions: (s) => ({ pages: mean(s.pages) }) });
// @ts-expect-error a histogram of one of the sources
defineView({ name, from: binned, sessions: (s) => ({ m: count({ where: s.n.isNull() }) }) });
// @ts-expect-error a measure that no source has
defineView({ name, from: ofBoth, sessions: (s) => ({ m: mean(s.sales) }) });
// @ts-expect-error the mean of a text
defineView({ name, from: ofBoth, sessions: (s) => ({ m: mean(s.landing) }) });
// @ts-expect-error the mean of a boolean
defineView({ name, from: ofBoth, sessions: (s) => ({ m: mean(s.isNew) }) });
const bins = { ...visits, measures: () => ({ n: histogram(ms, { edges: [1] }) }) };
// @ts-expect-error a histogram, which is no value to compute with
defineView({ ...bins, sessions: (s) => ({ m: mean(s.n) }) });
// @ts-expect-error nor one to compare
defineView({ ...bins, sessions: (s) => ({ m: count({ where: s.n.isNull() }) }) });
const landings = { ...visits, measures: () => ({ n: earliest(page) }) };
// @ts-expect-error the mean of a text
defineView({ ...landings, sessions: (s) => ({ m: mean(s.n) }) });
const sections = defineDimension({
  name: "pages",
  file: "pages.csv",
  key: "page",
  attributes: Type.Object({ section: Type.String() }),
});
const speeds = defineDimension({
  name: "speeds",
  file: "speeds.csv",
  key: "ms",
  attributes: Type.Object({ ms: Type.Integer(), label: Type.String() }),
});
const lastClicks = defineDimension({
  name: "last-clicks",
  from: click,
  key: (f) => f.page,
  attributes: (f) => ({ ms: f.ms, isNew: f.isNew }),
  deleted: (f) => f.isNew,
});
const counted = () => ({ n: count() });
const byAll = (f: { page: typeof page; ms: typeof ms }) => ({ page: f.page, ms: f.ms, hour: tumbling("1h") });
defineView({ name, from: click, by: byAll, measures: counted, references: { page: sections, ms: speeds } });
defineView({ name, from: click, by: byAll, measures: counted, references: { page: lastClicks } });
const of = { name, from: click, measures: counted };
// @ts-expect-error a key of another type
defineView({ ...of, by: byAll, references: { ms: sections } });
// @ts-expect-error a key of another type, of a table of events
defineView({ ...of, by: (f) => ({ ms: f.ms }), references: { ms: lastClicks } });
// @ts-expect-error a dimension that the view doesn't have
defineView({ ...of, by: (f) => ({ page: f.page }), references: { pag: sections } });
// @ts-expect-error a window, which is no key
defineView({ ...of, by: byAll, references: { hour: sections } });
const attributes = (f: { ms: typeof ms }) => ({ ms: f.ms });
// @ts-expect-error a field that the schema doesn't have
defineDimension({ name, from: click, attributes, key: (f) => f.pages });
// @ts-expect-error a key that is no text or number
defineDimension({ name, from: click, attributes, key: (f) => f.isNew });
// @ts-expect-error a deletion that is no condition
defineDimension({ name, from: click, attributes, key: (f) => f.page, deleted: (f) => f.ms });

const changes = defineChanges({
  name: "shop.public.lines",
  row: Type.Object({ order: Type.Integer(), line: Type.String(), sku: Type.String(), at: Type.Time() }),
  key: ["order", "line"],
});
const lines = defineTable({ name: "lines", from: changes });
type Lines = NonNullable<(typeof lines)["rowTypes"]>;
const line: Lines["key"] & Lines["measures"] = { order: 1, line: "a", sku: null, at: "2024-05-01T00:00:00Z" };
// @ts-expect-error a time is shown as a text
line satisfies { readonly at: Date | null };
// @ts-expect-error a column that the row doesn't have
defineTable({ name: "lines", from: changes, columns: (f) => ({ colour: f.colour }) });
// @ts-expect-error a key that is no column
defineChanges({ name: "shop.public.lines", row: Type.Object({ order: Type.Integer() }), key: ["id"] });
// @ts-expect-error a table of events that are no changes
defineTable({ name: "clicks", from: click });
// @ts-expect-error a condition that is no condition
defineView({ name, from: click, by, deleted: (f) => f.page, measures: (f) => ({ n: current(f.ms) }) });
defineTable({
  name: "lines",
  from: changes,
  columns: (f) => ({ sku: f.sku.upper(), isDeleted: f.__op.eq("d") }),
  where: (f) => f.sku.ne("gone"),
});
