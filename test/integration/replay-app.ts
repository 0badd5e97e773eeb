import {
  count,
  defineApp,
  defineEvent,
  defineView,
  distinct,
  latest,
  mean,
  quantile,
  session,
  sliding,
  source,
  sum,
  Type,
} from "../../views/index.ts";

const shown = defineEvent({
  name: "test.page.shown",
  schema: Type.Object({ user: Type.String(), ms: Type.Number() }),
  key: (f) => f.user,
  partitions: 2,
});
const bought = defineEvent({
  name: "test.thing.bought",
  schema: Type.Object({
    user: Type.String(),
    from: Type.Optional(Type.Object({ campaign: Type.String() })),
    items: Type.Array(Type.Object({ sku: Type.String(), cents: Type.Integer() })),
  }),
  key: (f) => f.user,
  partitions: 3,
});

/** Sessions of two event types. */
const visits = defineView({
  name: "visits",
  from: [
    source(shown, {
      by: (f) => ({ user: f.user, at: session("30m") }),
      measures: (f) => ({ pages: count(), ms: sum(f.ms, { scale: 2 }) }),
    }),
    source(bought, {
      by: (f) => ({ user: f.user, at: session("30m") }),
      measures: (f) => ({ campaign: latest(f.from.campaign), purchases: count() }),
    }),
  ],
});
const speed = defineView({
  name: "speed",
  from: shown,
  by: () => ({ at: sliding("1h", { every: "10m" }) }),
  measures: (f) => ({ ms: mean(f.ms), slow: quantile(f.ms, 0.9), users: distinct(f.user, { upTo: 100 }) }),
});
/** What the fold does with a record is not what SQL does: it counts each twice. */
const miscount = { ...count(), add: ([n]: readonly string[]) => `${n} = addIntegers(${n}, 2);` };
const miscounted = defineView({
  name: "miscounted",
  from: shown,
  by: (f) => ({ user: f.user }),
  measures: () => ({ pages: miscount }),
});

export default defineApp({ name: "replayed", views: [visits, speed, miscounted], batch: { schedule: null } });
