/**
 * Questions to the views, and for each the same question in SQL over the lines as they were sent. The SQL was written by
 * hand for what the question means: nothing here is made from the app's declaration, nor imported from what answers it.
 */
export interface Question {
  readonly title: string;
  readonly view: string;
  /** Of `GET /v1/views/{view}/rows`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The columns that tell rows apart. */
  readonly key: readonly string[];
  /** Over the table `events` of `exact-answers.ts`; gives the same columns. */
  readonly sql: string;
  /** The columns that are not exact, and how far off they may be. */
  readonly about: Readonly<Record<string, Tolerance>>;
}

export type Tolerance =
  /** Never further off than this share of the value. */
  | { readonly kind: "bound"; readonly share: number }
  /** The standard error, as a share of the value. */
  | { readonly kind: "standard-error"; readonly share: number };

const visitors = { kind: "standard-error", share: 0.01 } as const;

/** The page views by people. */
const human = "(SELECT * FROM events WHERE type = 'web.page.viewed' AND agent NOT ILIKE '%bot%')";

/** A time in UTC, as the answers write it. */
const text = (timestamp: string) => `strftime(${timestamp}, '%Y-%m-%dT%H:%M:%S.%gZ')`;

/**
 * Gaps and islands: a view more than half an hour after the one before it begins a visit, and the number of
 * beginnings so far is the number of the visit.
 */
const visits = `(
  SELECT
    host, visitor,
    min(instant) AS begins, max(instant) AS ends,
    count(*) AS views,
    first(path ORDER BY instant, line) AS landing,
    last(path ORDER BY instant, line) AS exit,
    epoch_ms(max(instant)) - epoch_ms(min(instant)) AS ms
  FROM (
    SELECT *, sum(begins::INTEGER) OVER (PARTITION BY host, visitor ORDER BY instant, line) AS number
    FROM (
      SELECT *, coalesce(
        epoch_ms(instant) - lag(epoch_ms(instant)) OVER (PARTITION BY host, visitor ORDER BY instant, line) > 30 * 60 * 1000, true
      ) AS begins
      FROM ${human}
    )
  )
  GROUP BY host, visitor, number
)`;

const visitMeasures = `
    sum(views) AS views,
    count(*) AS visits,
    count(*) FILTER (WHERE views = 1) AS bounces,
    count(*) FILTER (WHERE landing = '/') AS fromHome,
    sum(ms) / count(*) AS lengthMs,
    max(ms) AS longestMs,
    count(*) FILTER (WHERE views = 1) / count(*) AS bounceRate,
    sum(views) / count(*) AS viewsPerVisit`;

export const questions: readonly Question[] = [
  {
    title: "hosts by hour",
    view: "hosts-by-hour",
    parameters: {},
    key: ["host", "hour"],
    sql: `
      SELECT
        host, ${text("date_trunc('hour', instant)")} AS hour,
        count(*) FILTER (WHERE agent NOT ILIKE '%bot%') AS views,
        count(DISTINCT visitor) FILTER (WHERE agent NOT ILIKE '%bot%') AS visitors,
        count(*) FILTER (WHERE regexp_matches(referrer, '^https://[^/]*search\\.example/') AND agent NOT ILIKE '%bot%')
          AS fromSearch,
        count(*) FILTER (WHERE agent ILIKE '%bot%') AS robotViews
      FROM events WHERE type = 'web.page.viewed' GROUP BY ALL`,
    about: { visitors },
  },
  {
    title: "hosts of the week",
    view: "hosts-by-hour",
    parameters: { groupBy: "host", measures: "views,visitors" },
    key: ["host"],
    sql: `SELECT host, count(*) FILTER (WHERE agent NOT ILIKE '%bot%') AS views,
        count(DISTINCT visitor) FILTER (WHERE agent NOT ILIKE '%bot%') AS visitors
      FROM events WHERE type = 'web.page.viewed' GROUP BY ALL`,
    about: { visitors },
  },
  {
    title: "pages by day",
    view: "pages-by-day",
    parameters: {},
    key: ["host", "path", "day"],
    sql: `
      SELECT
        host, path, ${text("date_trunc('day', instant)")} AS day,
        count(*) AS views,
        count(DISTINCT visitor) AS visitors,
        count(loadMs) AS measured,
        sum(loadMs) / count(loadMs) AS loadMs,
        list_sort(list(loadMs) FILTER (WHERE loadMs IS NOT NULL))[ceil(0.95 * count(loadMs))::BIGINT] AS slowMs
      FROM ${human} GROUP BY ALL`,
    about: {
      visitors: { kind: "standard-error", share: 0.02 },
      slowMs: { kind: "bound", share: 0.01 },
    },
  },
  {
    title: "hours of local clocks",
    view: "local-hours",
    parameters: {},
    key: ["host", "hour"],
    sql: `
      SELECT host, hour(timezone(zone, timezone('UTC', instant))) AS hour, count(*) AS views
      FROM ${human} JOIN (VALUES
        ('shop.example.com', 'America/New_York'), ('laden.example.de', 'Europe/Berlin'), ('mise.example.jp', 'Asia/Tokyo'),
        ('dukan.example.in', 'Asia/Kolkata'), ('docs.example.org', 'UTC')
      ) AS zones (host, zone) USING (host)
      GROUP BY ALL`,
    about: {},
  },
  {
    title: "visits, one by one",
    view: "visits",
    parameters: { measures: "views,landing,exit,lengthMs,visitEnd" },
    key: ["host", "visitor", "visit"],
    sql: `
      SELECT host, visitor, ${text("begins")} AS visit, views, landing, exit, ms AS lengthMs, ${text("ends")} AS visitEnd
      FROM ${visits}`,
    about: {},
  },
  {
    title: "visits by host and day",
    view: "visits",
    parameters: {
      groupBy: "host,visit",
      granularity: "1d",
      measures: "views,visits,bounces,fromHome,lengthMs,longestMs,bounceRate,viewsPerVisit",
    },
    key: ["host", "visit"],
    sql: `SELECT host, ${text("date_trunc('day', begins)")} AS visit, ${visitMeasures} FROM ${visits} GROUP BY ALL`,
    about: {},
  },
  {
    title: "bounce rate by host",
    view: "visits",
    parameters: {
      groupBy: "host",
      measures: "views,visits,bounces,fromHome,lengthMs,longestMs,bounceRate,viewsPerVisit",
    },
    key: ["host"],
    sql: `SELECT host, ${visitMeasures} FROM ${visits} GROUP BY ALL`,
    about: {},
  },
  {
    title: "conversion by campaign and day",
    view: "conversion",
    parameters: {},
    key: ["host", "campaign", "day"],
    sql: `
      SELECT *, goals / landings AS conversion, cents / landings AS centsPerLanding FROM (
        SELECT
          host,
          CASE type WHEN 'web.goal.reached' THEN campaign ELSE nullif(regexp_extract(url, 'utm_campaign=([^#]*)', 1), '') END
            AS campaign,
          ${text("date_trunc('day', instant)")} AS day,
          count(*) FILTER (
            WHERE type = 'web.page.viewed' AND NOT starts_with(lower(coalesce(referrer, '')), 'https://' || host)
          ) AS landings,
          count(DISTINCT visitor) FILTER (WHERE type = 'web.page.viewed') AS visitors,
          count(*) FILTER (WHERE type = 'web.goal.reached') AS goals,
          count(DISTINCT visitor) FILTER (WHERE type = 'web.goal.reached') AS buyers,
          sum(cents) AS cents
        FROM events WHERE coalesce(agent, '') NOT ILIKE '%bot%' GROUP BY ALL
      )`,
    about: { visitors },
  },
];
