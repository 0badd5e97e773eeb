import {
  count,
  defineApp,
  defineEvent,
  defineView,
  distinct,
  latest,
  max,
  source,
  sum,
  Type,
  tumbling,
} from "../../views/index.ts";

/** Stands under the customer. */
const bought = defineEvent({
  name: "test.thing.bought",
  schema: Type.Object({ customer: Type.String(), city: Type.String(), cents: Type.Integer() }),
  key: (f) => f.customer,
  partitions: 2,
  duplicatesWithin: 500,
});
/** Stands under its id, unless it says otherwise. */
const seen = defineEvent({
  name: "test.page.seen",
  schema: Type.Object({ page: Type.String(), visitor: Type.String() }),
  partitions: 2,
});

const byCustomer = defineView({
  name: "by-customer",
  from: [
    source(bought, {
      by: (f) => ({ who: f.customer, hour: tumbling("1h") }),
      measures: (f) => ({ purchases: count(), cents: sum(f.cents), city: latest(f.city) }),
    }),
    source(seen, {
      by: (f) => ({ who: f.visitor, hour: tumbling("1h") }),
      measures: () => ({ pages: count() }),
    }),
  ],
});
const totals = (version: number) =>
  defineView({
    name: "totals",
    version,
    from: bought,
    by: () => ({ day: tumbling("1d") }),
    measures: (f) => ({
      purchases: count(),
      cents: sum(f.cents),
      last: max(f.cents),
      customers: distinct(f.customer, { upTo: 100 }),
      ...(version > 1 && { cities: distinct(f.city, { upTo: 100 }) }),
    }),
  });

export default defineApp({
  name: "erased",
  views: [byCustomer, totals(1), totals(2)],
  batch: { schedule: null },
});
