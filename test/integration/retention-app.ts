import { count, defineApp, defineEvent, defineView, sum, Type, tumbling } from "../../views/index.ts";

const bought = defineEvent({
  name: "test.thing.bought",
  schema: Type.Object({ customer: Type.String(), cents: Type.Integer() }),
  key: (f) => f.customer,
  partitions: 2,
  keep: "30d",
});
const seen = defineEvent({
  name: "test.page.seen",
  schema: Type.Object({ page: Type.String() }),
  partitions: 1,
});

const purchases = (name: string, layers: "both" | "speed") =>
  defineView({
    ...{ name, layers, from: bought },
    by: () => ({ day: tumbling("1d") }),
    measures: (f) => ({ n: count(), cents: sum(f.cents) }),
  });
const pages = defineView({
  name: "pages",
  from: seen,
  by: (f) => ({ page: f.page, day: tumbling("1d") }),
  measures: () => ({ n: count() }),
});

export default defineApp({
  name: "kept",
  views: [purchases("purchases", "both"), purchases("live-purchases", "speed"), pages],
  batch: { schedule: null },
});
