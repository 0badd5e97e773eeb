import {
  count,
  defineApp,
  defineEvent,
  defineView,
  distinct,
  earliest,
  latest,
  source,
  sum,
  Type,
  tumbling,
} from "../../views/index.ts";

/** Two event types with different keys, partitions and spans of duplicates. */
const impression = defineEvent({
  name: "ads.impression.shown",
  schema: Type.Object({ campaign: Type.String(), user: Type.String() }),
  key: (f) => f.user,
  partitions: 3,
  duplicatesWithin: 50,
});
const click = defineEvent({
  name: "ads.click.made",
  schema: Type.Object({
    ad: Type.Optional(Type.String()),
    user: Type.String(),
    cents: Type.Integer(),
    isRobot: Type.Boolean(),
  }),
  key: (f) => f.user,
  partitions: 2,
  duplicatesWithin: 20,
});

const clickThrough = defineView({
  name: "click-through",
  from: [
    source(impression, {
      by: (f) => ({ campaign: f.campaign, hour: tumbling("1h") }),
      measures: (f) => ({
        impressions: count(),
        users: distinct(f.user, { upTo: 1_000 }),
        lastUser: latest(f.user),
      }),
    }),
    source(click, {
      by: (f) => ({ campaign: f.ad, hour: tumbling("1h") }),
      where: (f) => f.isRobot.not(),
      measures: (f) => ({
        clicks: count(),
        cents: sum(f.cents),
        users: distinct(f.user, { upTo: 1_000 }),
        lastUser: latest(f.user),
        firstClick: earliest(f.cents),
      }),
    }),
  ],
  derived: (m) => ({ rate: m.clicks.dividedBy(m.impressions) }),
});

/** Beside it, a view of one of the types alone. */
const robots = defineView({
  name: "robots",
  from: click,
  by: (f) => ({ isRobot: f.isRobot }),
  measures: (f) => ({ clicks: count(), cents: sum(f.cents) }),
});

export default defineApp({ name: "ads", views: [clickThrough, robots], batch: { schedule: null, keep: 10 } });
