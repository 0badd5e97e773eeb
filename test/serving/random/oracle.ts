import type { DuckDBConnection } from "@duckdb/node-api";
import type { Asked, AskedFilter, Value } from "./asked.ts";

export type Row = Readonly<Record<string, string | number | boolean | null>>;

/** What SQL over the records answers. `relation` is the name of the subject's, over the records that the layer has. */
export async function answerBySql(
  connection: DuckDBConnection,
  asked: Asked,
  relation: string,
): Promise<{ readonly rows: readonly Row[]; readonly totals: Row | undefined }> {
  const read = async (sql: string) => {
    const reader = await connection.runAndReadAll(sql);
    return reader.getRowObjects().map(plainRow);
  };
  const rows = await read(rowsSql(asked, relation));
  const [totals] = asked.totals
    ? await read(`SELECT ${measuresSql(asked)} FROM (${filteredSql(asked, relation)})`)
    : [];
  return { rows, totals };
}

function plainRow(row: Readonly<Record<string, unknown>>): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === "bigint" ? Number(value) : value]),
  ) as Row;
}

const id = (name: string) => `"${name}"`;
const literal = (value: Value) =>
  value === null ? "NULL" : typeof value === "number" ? String(value) : `'${value.replaceAll("'", "''")}'`;

function filteredSql({ filters, from, to }: Asked, relation: string): string {
  const conditions = [
    ...filters.flatMap(conditionsOf),
    ...(from === undefined ? [] : [`startMs >= ${from}`]),
    ...(to === undefined ? [] : [`startMs < ${to}`]),
  ];
  return `SELECT * FROM ${relation} WHERE ${["true", ...conditions].join(" AND ")}`;
}

function conditionsOf({ column, values, not, prefixes, from, to }: AskedFilter): readonly string[] {
  const name = id(column.name);
  const any = (texts: readonly string[]) =>
    texts.length === 0 ? [] : [`coalesce(${texts.join(" OR ")}, false)`];
  return [
    ...any(values.map((value) => `${name} IS NOT DISTINCT FROM ${literal(value)}`)),
    ...not.map((value) => `${name} IS DISTINCT FROM ${literal(value)}`),
    ...any(prefixes.map((prefix) => `starts_with(${name}, ${literal(prefix)})`)),
    ...(from === undefined ? [] : [`${name} >= ${literal(from)}`]),
    ...(to === undefined ? [] : [`${name} < ${literal(to)}`]),
  ];
}

function measuresSql({ subject }: Asked): string {
  return subject.measures.map(({ name, sql }) => `${sql} AS ${id(name)}`).join(", ");
}

/** The start of the bucket that an instant lies in, in milliseconds. */
function bucketSql({ granularity, tz = "UTC" }: Asked, ms: string): string {
  const unit = { "1d": "day", "1w": "week", "1mo": "month" }[granularity ?? ""];
  if (unit !== undefined) {
    const local = `timezone('${tz}', to_timestamp(${ms} / 1000))`;
    return `epoch_ms(timezone('${tz}', date_trunc('${unit}', ${local})))`;
  }
  if (granularity === undefined) return ms;
  const width = `${widthMs(granularity)}`;
  return `(${ms} - ${ms} % ${width})`;
}

function widthMs(granularity: string): number {
  const [, count, unit] = /^(\d+)([hd])$/.exec(granularity) ?? [];
  return Number(count) * (unit === "d" ? 86_400_000 : 3_600_000);
}

/** Where the bucket after one begins. */
function nextBucketSql(asked: Asked, ms: string): string {
  const { subject, granularity, tz = "UTC" } = asked;
  const step = { "1d": "1 DAY", "1w": "7 DAY", "1mo": "1 MONTH" }[granularity ?? ""];
  if (step === undefined) {
    return `${ms} + ${granularity === undefined ? subject.window?.paneMs : widthMs(granularity)}`;
  }
  return `epoch_ms(timezone('${tz}', timezone('${tz}', to_timestamp(${ms} / 1000)) + INTERVAL ${step}))`;
}

function rowsSql(asked: Asked, relation: string): string {
  const { subject, isByTime, measures, orderBy, limit } = asked;
  const groups = asked.groupBy ?? subject.dimensions.map(({ name }) => name);
  const own = [...subject.dimensions, ...subject.attributes].map(({ name }) => name);
  const grouped = own.filter((name) => groups.includes(name));
  const key = [...grouped.map(id), ...(isByTime ? ["bucketMs"] : [])];
  const window = subject.window?.name ?? "";
  const rows = `
    SELECT ${[...key, measuresSql(asked)].join(", ")}
    FROM (SELECT *${isByTime ? `, ${bucketSql(asked, "startMs")} AS bucketMs` : ""} FROM (${filteredSql(asked, relation)}))
    ${key.length === 0 ? "" : `GROUP BY ${key.join(", ")}`}`;
  const column = (name: string) => id(name === window && isByTime ? "bucketMs" : name);
  const order = [...orderBy, ...grouped, ...(isByTime ? [window] : [])].map((term) =>
    term.startsWith("-") ? `${column(term.slice(1))} DESC NULLS LAST` : `${column(term)} ASC NULLS FIRST`,
  );
  const shown = [
    ...grouped.map(id),
    ...(isByTime
      ? [`strftime(make_timestamp(bucketMs * 1000), '%Y-%m-%dT%H:%M:%S.%gZ') AS ${id(window)}`]
      : []),
    ...measures.map(id),
  ];
  return `
    SELECT ${shown.join(", ")} FROM (${asked.fill === undefined ? rows : filledSql(asked, rows, grouped)})
    ${order.length === 0 ? "" : `ORDER BY ${order.join(", ")}`}
    ${limit === undefined ? "" : `LIMIT ${3 * limit}`}`;
}

/** A row for every bucket of each series that has one, or of the one that is named. */
function filledSql(asked: Asked, rows: string, grouped: readonly string[]): string {
  const { subject, from, to, fill, filters } = asked;
  const named = grouped.map((name) => onlyValue(filters.find(({ column }) => column.name === name)));
  const series = named.includes(undefined)
    ? `SELECT DISTINCT ${grouped.map(id).join(", ")} FROM found`
    : `SELECT ${grouped.map((name, i) => `${literal(named[i] ?? null)} AS ${id(name)}`).join(", ") || "1 AS one"}`;
  const first =
    from === undefined ? "(SELECT min(bucketMs) FROM found)" : bucketSql(asked, `${from}::BIGINT`);
  const isIn = (ms: string) =>
    to === undefined ? `${ms} <= (SELECT max(bucketMs) FROM found)` : `${ms} < ${to}`;
  const next = nextBucketSql(asked, "bucketMs");
  const measures = subject.measures.map(({ name }) => {
    if (fill === "previous") {
      const before = `last_value(CASE WHEN found.bucketMs IS NOT NULL THEN found END IGNORE NULLS) OVER (
        PARTITION BY ${["1", ...grouped.map((each) => `series.${id(each)}`)].join(", ")}
        ORDER BY buckets.bucketMs ROWS UNBOUNDED PRECEDING
      )`;
      return `${before}.${id(name)} AS ${id(name)}`;
    }
    const nothing = fill === "zero" ? "0" : "NULL";
    return `CASE WHEN found.bucketMs IS NULL THEN ${nothing} ELSE found.${id(name)} END AS ${id(name)}`;
  });
  const same = grouped.map((name) => `found.${id(name)} IS NOT DISTINCT FROM series.${id(name)}`);
  return `
    WITH RECURSIVE found AS (${rows}),
    buckets AS (
      SELECT ${first} AS bucketMs WHERE ${isIn(first)}
      UNION ALL SELECT ${next} FROM buckets WHERE ${isIn(next)}
    ),
    series AS (${series})
    SELECT ${[...grouped.map((name) => `series.${id(name)}`), "buckets.bucketMs", ...measures].join(", ")}
    FROM series CROSS JOIN buckets
      LEFT JOIN found ON ${["found.bucketMs = buckets.bucketMs", ...same].join(" AND ")}`;
}

/** The one value that a filter lets through, if it names values and all but one fall to its other conditions. */
function onlyValue(filter: AskedFilter | undefined): Value | undefined {
  if (filter === undefined || filter.values.length === 0) return undefined;
  const { values, not, prefixes, from, to } = filter;
  const bytes = (value: Value) => Buffer.from(String(value));
  const isBefore = (a: Value, b: Value) =>
    typeof a === "string" ? Buffer.compare(bytes(a), bytes(b)) < 0 : Number(a) < Number(b);
  const left = [...new Set(values)].filter(
    (value) =>
      !not.includes(value) &&
      (prefixes.length === 0 ||
        prefixes.some((prefix) => value !== null && String(value).startsWith(prefix))) &&
      (from === undefined || (value !== null && !isBefore(value, from))) &&
      (to === undefined || (value !== null && isBefore(value, to))),
  );
  return left.length === 1 ? left[0] : undefined;
}
