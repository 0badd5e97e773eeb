import {
  count,
  defineApp,
  defineEvent,
  defineView,
  distinct,
  sum,
  Type,
  tumbling,
} from "../../views/index.ts";

const bought = defineEvent({
  name: "test.thing.bought",
  schema: Type.Object({ customer: Type.String(), city: Type.String(), cents: Type.Integer() }),
  key: (f) => f.customer,
  partitions: 2,
  duplicatesWithin: 500,
  encrypted: true,
});
/** In a test only one person writes any. */
const written = defineEvent({
  name: "test.note.written",
  schema: Type.Object({ author: Type.String() }),
  key: (f) => f.author,
  partitions: 1,
  encrypted: true,
});
const seen = defineEvent({
  name: "test.page.seen",
  schema: Type.Object({ page: Type.String() }),
  key: (f) => f.page,
  partitions: 1,
});

const totals = defineView({
  name: "totals",
  from: bought,
  by: () => ({ day: tumbling("1d") }),
  measures: (f) => ({
    purchases: count(),
    cents: sum(f.cents),
    customers: distinct(f.customer, { upTo: 100 }),
  }),
});
const byCustomer = defineView({
  name: "by-customer",
  from: bought,
  by: (f) => ({ who: f.customer }),
  measures: (f) => ({ purchases: count(), cents: sum(f.cents) }),
});
const notes = defineView({
  name: "notes",
  from: written,
  by: (f) => ({ who: f.author }),
  measures: () => ({ notes: count() }),
});
const pages = defineView({
  name: "pages",
  from: seen,
  by: (f) => ({ page: f.page }),
  measures: () => ({ seen: count() }),
});

export default defineApp({
  name: "encrypted",
  views: [totals, byCustomer, notes, pages],
  batch: { schedule: null },
});
