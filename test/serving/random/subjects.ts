/**
 * The views that random queries are asked of, each described a second time: by SQL written by hand over the records as they
 * were sent. Nothing here is made from the app's declaration.
 */
export interface Subject {
  readonly view: string;
  readonly dimensions: readonly Column[];
  /** `dimension.attribute`, of the table that the relation is joined with. */
  readonly attributes: readonly Column[];
  /** `startMs`: milliseconds at which the row's pane, or its session, begins. */
  readonly window:
    | { readonly name: string; readonly paneMs: number; readonly isSession: boolean }
    | undefined;
  readonly measures: readonly SubjectMeasure[];
  /** SQL of one row per record, or session, that counts: the columns, `startMs`, and what the measures are of. */
  readonly relation: (records: string) => string;
}

export interface Column {
  readonly name: string;
  readonly type: "string" | "integer";
  readonly nullable: boolean;
}

export interface SubjectMeasure {
  readonly name: string;
  /** Over the rows of a group of the relation. Of nothing, the sum of what is never missing is 0. */
  readonly sql: string;
  /** How far off it may be: a share of the value. Rows are not ordered by what is not exact. */
  readonly about?: number;
}

const text = (name: string, nullable = false): Column => ({ name, type: "string", nullable });
const hourMs = 3_600_000;
const exact = (measures: Readonly<Record<string, string>>): readonly SubjectMeasure[] =>
  Object.entries(measures).map(([name, sql]) => ({ name, sql }));

const attributesOf = (dimension: string) =>
  ["city", "state", "country"].map((name) => text(`${dimension}.${name}`, true));

const airport = (dimension: string) => `
  ${dimension}_airport.city AS "${dimension}.city", ${dimension}_airport.state AS "${dimension}.state",
  ${dimension}_airport.country AS "${dimension}.country"`;

export const flightSubjects: readonly Subject[] = [
  {
    view: "airport-hours",
    dimensions: [text("origin")],
    attributes: attributesOf("origin"),
    window: { name: "hour", paneMs: hourMs, isSession: false },
    measures: exact({
      flights: "count(*)",
      distance: "coalesce(sum(distance), 0)",
      delay: "sum(delay) / count(*)",
      late: "count(*) FILTER (WHERE delay > 15)",
    }),
    relation: (records) => `
      SELECT origin, delay, distance, timeMs - timeMs % ${hourMs} AS startMs, ${airport("origin")}
      FROM ${records} LEFT JOIN airports origin_airport ON origin_airport.iata = origin`,
  },
  {
    view: "routes-by-day",
    dimensions: [text("origin"), text("destination")],
    attributes: [...attributesOf("origin"), ...attributesOf("destination")],
    window: { name: "day", paneMs: 24 * hourMs, isSession: false },
    measures: exact({
      flights: "count(*)",
      delay: "sum(delay) / count(*)",
      worst: "max(delay)",
      best: "min(delay)",
    }),
    relation: (records) => `
      SELECT origin, destination, delay, timeMs - timeMs % ${24 * hourMs} AS startMs,
        ${airport("origin")}, ${airport("destination")}
      FROM ${records}
        LEFT JOIN airports origin_airport ON origin_airport.iata = origin
        LEFT JOIN airports destination_airport ON destination_airport.iata = destination`,
  },
  {
    view: "totals-by-hour",
    dimensions: [],
    attributes: [],
    window: { name: "hour", paneMs: hourMs, isSession: false },
    measures: exact({
      flights: "count(*)",
      distance: "coalesce(sum(distance), 0)",
      delay: "coalesce(sum(delay), 0)",
      longHauls: "count(*) FILTER (WHERE distance >= 2000)",
    }),
    relation: (records) => `SELECT delay, distance, timeMs - timeMs % ${hourMs} AS startMs FROM ${records}`,
  },
];

const isRobot = "agent ILIKE '%bot%'";

/** Gaps and islands: a view more than half an hour after the one before it begins a visit. */
const visitsOf = (records: string) => `
  SELECT
    host, visitor, min(timeMs) AS startMs, count(*) AS pages, max(timeMs) - min(timeMs) AS ms,
    first(path ORDER BY timeMs, partition, place) AS landing
  FROM (
    SELECT *, sum(begins::INTEGER) OVER (PARTITION BY host, visitor ORDER BY timeMs, partition, place) AS number
    FROM (
      SELECT *, coalesce(timeMs - lag(timeMs) OVER (
        PARTITION BY host, visitor ORDER BY timeMs, partition, place
      ) > 30 * 60 * 1000, true) AS begins
      FROM ${records} WHERE type = 'web.page.viewed' AND NOT ${isRobot}
    )
  )
  GROUP BY host, visitor, number`;

export const webSubjects: readonly Subject[] = [
  {
    view: "hosts-by-hour",
    dimensions: [text("host")],
    attributes: [],
    window: { name: "hour", paneMs: hourMs, isSession: false },
    measures: [
      ...exact({
        views: `count(*) FILTER (WHERE NOT ${isRobot})`,
        fromSearch: `count(*) FILTER (
          WHERE regexp_matches(referrer, '^https://[^/]*search\\.example/') AND NOT ${isRobot}
        )`,
        robotViews: `count(*) FILTER (WHERE ${isRobot})`,
      }),
      { name: "visitors", sql: `count(DISTINCT visitor) FILTER (WHERE NOT ${isRobot})`, about: 0.05 },
    ],
    relation: (records) => `
      SELECT host, agent, referrer, visitor, timeMs - timeMs % ${hourMs} AS startMs
      FROM ${records} WHERE type = 'web.page.viewed'`,
  },
  {
    view: "pages-by-day",
    dimensions: [text("host"), text("path")],
    attributes: [],
    window: { name: "day", paneMs: 24 * hourMs, isSession: false },
    measures: [
      ...exact({
        views: "count(*)",
        measured: "count(loadMs)",
        loadMs: "sum(loadMs) / count(loadMs)",
      }),
      {
        name: "slowMs",
        sql: "list_sort(list(loadMs) FILTER (WHERE loadMs IS NOT NULL))[ceil(0.95 * count(loadMs))::BIGINT]",
        about: 0.011,
      },
    ],
    relation: (records) => `
      SELECT host, path, loadMs, timeMs - timeMs % ${24 * hourMs} AS startMs
      FROM ${records} WHERE type = 'web.page.viewed' AND NOT ${isRobot}`,
  },
  {
    view: "local-hours",
    dimensions: [text("host"), { name: "hour", type: "integer", nullable: false }],
    attributes: [],
    window: undefined,
    measures: exact({ views: "count(*)" }),
    relation: (records) => `
      SELECT host, hour(timezone(zone, to_timestamp(timeMs / 1000))) AS hour
      FROM ${records} JOIN (VALUES
        ('shop.example.com', 'America/New_York'), ('laden.example.de', 'Europe/Berlin'),
        ('mise.example.jp', 'Asia/Tokyo'), ('dukan.example.in', 'Asia/Kolkata'), ('docs.example.org', 'UTC')
      ) AS zones (host, zone) USING (host)
      WHERE type = 'web.page.viewed' AND NOT ${isRobot}`,
  },
  {
    view: "visits",
    dimensions: [text("host"), text("visitor")],
    attributes: [],
    window: { name: "visit", paneMs: 1, isSession: true },
    measures: exact({
      views: "coalesce(sum(pages), 0)",
      visits: "count(*)",
      bounces: "count(*) FILTER (WHERE pages = 1)",
      fromHome: "count(*) FILTER (WHERE landing = '/')",
      lengthMs: "sum(ms) / count(*)",
      longestMs: "max(ms)",
      bounceRate: "count(*) FILTER (WHERE pages = 1) / nullif(count(*), 0)",
      viewsPerVisit: "sum(pages) / nullif(count(*), 0)",
    }),
    relation: visitsOf,
  },
  {
    view: "conversion",
    dimensions: [text("host"), text("campaign", true)],
    attributes: [],
    window: { name: "day", paneMs: 24 * hourMs, isSession: false },
    measures: exact({
      landings: `count(*) FILTER (
        WHERE type = 'web.page.viewed' AND NOT starts_with(lower(coalesce(referrer, '')), 'https://' || host)
      )`,
      goals: "count(*) FILTER (WHERE type = 'web.goal.reached')",
      buyers: "count(DISTINCT visitor) FILTER (WHERE type = 'web.goal.reached')",
      cents: "sum(cents)",
    }),
    relation: (records) => `
      SELECT
        host, type, referrer, visitor, cents, timeMs - timeMs % ${24 * hourMs} AS startMs,
        CASE type WHEN 'web.goal.reached' THEN campaign
          ELSE nullif(regexp_extract(url, 'utm_campaign=([^#]*)', 1), '') END AS campaign
      FROM ${records} WHERE NOT coalesce(${isRobot}, false)`,
  },
];
