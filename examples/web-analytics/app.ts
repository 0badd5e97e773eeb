import {
  count,
  countDistinct,
  defineApp,
  defineEvent,
  defineView,
  distinct,
  earliest,
  eventTime,
  latest,
  max,
  mean,
  quantile,
  session,
  source,
  sum,
  Type,
  tumbling,
  when,
} from "../../views/index.ts";

/** A page that was shown to someone, or fetched by a robot. `loadMs` is missing where the browser did not measure it. */
export const pageViewed = defineEvent({
  name: "web.page.viewed",
  schema: Type.Object({
    url: Type.String(),
    visitor: Type.String(),
    agent: Type.String(),
    referrer: Type.Optional(Type.String()),
    loadMs: Type.Optional(Type.Integer()),
  }),
  key: (f) => f.visitor,
  partitions: 4,
});

/** What a site is there for was reached: something was bought, or someone signed up. */
export const goalReached = defineEvent({
  name: "web.goal.reached",
  schema: Type.Object({
    url: Type.String(),
    visitor: Type.String(),
    goal: Type.String(),
    campaign: Type.Optional(Type.String()),
    cents: Type.Optional(Type.Integer()),
  }),
  key: (f) => f.visitor,
  partitions: 4,
});

export const hostsByHour = defineView({
  name: "hosts-by-hour",
  from: pageViewed,
  by: (f) => ({ host: f.url.host(), hour: tumbling("1h") }),
  measures: (f) => {
    const isRobot = f.agent.lower().contains("bot");
    const where = isRobot.not();
    return {
      views: count({ where }),
      visitors: countDistinct(f.visitor, { where }),
      fromSearch: count({ where: f.referrer.host().endsWith("search.example").and(where) }),
      robotViews: count({ where: isRobot }),
    };
  },
});

export const pagesByDay = defineView({
  name: "pages-by-day",
  from: pageViewed,
  by: (f) => ({ host: f.url.host(), path: f.url.path(), day: tumbling("1d") }),
  where: (f) => f.agent.lower().contains("bot").not(),
  measures: (f) => ({
    views: count(),
    visitors: countDistinct(f.visitor, { error: 0.02 }),
    measured: count({ where: f.loadMs.isNotNull() }),
    loadMs: mean(f.loadMs),
    slowMs: quantile(f.loadMs, 0.95),
  }),
});

/** What people read at which hour of their own day: each host is read where it is at home. */
export const localHours = defineView({
  name: "local-hours",
  from: pageViewed,
  by: (f) => {
    const host = f.url.host();
    return {
      host,
      hour: when(host.eq("shop.example.com"), eventTime().hour("America/New_York"))
        .when(host.eq("laden.example.de"), eventTime().hour("Europe/Berlin"))
        .when(host.eq("mise.example.jp"), eventTime().hour("Asia/Tokyo"))
        .when(host.eq("dukan.example.in"), eventTime().hour("Asia/Kolkata"))
        .otherwise(eventTime().hour()),
    };
  },
  where: (f) => f.agent.lower().contains("bot").not(),
  measures: () => ({ views: count() }),
});

/** A row is a visit: page views of one visitor on one host with at most half an hour between one and the next. */
export const visits = defineView({
  name: "visits",
  from: pageViewed,
  by: (f) => ({ host: f.url.host(), visitor: f.visitor, visit: session("30m") }),
  where: (f) => f.agent.lower().contains("bot").not(),
  measures: (f) => ({
    views: count(),
    landing: earliest(f.url.path()),
    exit: latest(f.url.path()),
  }),
  sessions: (s) => ({
    visits: count(),
    bounces: count({ where: s.views.eq(1) }),
    fromHome: count({ where: s.landing.eq("/") }),
    lengthMs: mean(s.length),
    longestMs: max(s.length),
  }),
  derived: (m) => ({
    bounceRate: m.bounces.dividedBy(m.visits),
    viewsPerVisit: m.views.dividedBy(m.visits),
  }),
});

/** What campaigns bring: people who land on a site, and goals that are reached there. A view of both event types. */
export const conversion = defineView({
  name: "conversion",
  from: [
    source(pageViewed, {
      by: (f) => ({
        host: f.url.host(),
        campaign: f.url.part("?utm_campaign=", 2).part("#", 1),
        day: tumbling("1d"),
      }),
      where: (f) => f.agent.lower().contains("bot").not(),
      measures: (f) => ({
        landings: count({ where: f.referrer.host().coalesce("").ne(f.url.host()) }),
        visitors: countDistinct(f.visitor),
      }),
    }),
    source(goalReached, {
      by: (f) => ({ host: f.url.host(), campaign: f.campaign, day: tumbling("1d") }),
      measures: (f) => ({
        goals: count(),
        buyers: distinct(f.visitor, { upTo: 100_000 }),
        cents: sum(f.cents),
      }),
    }),
  ],
  derived: (m) => ({
    conversion: m.goals.dividedBy(m.landings),
    centsPerLanding: m.cents.dividedBy(m.landings),
  }),
});
export default defineApp({
  name: "web-analytics",
  views: [hostsByHour, pagesByDay, localHours, visits, conversion],
  batch: { schedule: "*/5 * * * *", keep: 3 },
});
