import { airportHours, totalsByHour } from "./app.ts";
import { askFlights, flightCount } from "./flights.ts";

/** A question whose answer over all flights is known from the file itself, without Tidemark. */
export interface KnownAnswer {
  readonly question: string;
  readonly view: string;
  /** Of `GET /v1/views/{view}/rows`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Reads the answer off all the rows, every page of them. */
  readonly value: (rows: readonly Row[]) => number;
  /** Over all flights. */
  readonly expected: number;
  /** What DuckDB is asked for the same, straight over the file. */
  readonly sql: string;
}

type Row = Readonly<Record<string, unknown>>;

function only(rows: readonly Row[], measure: string): number {
  return rows.length === 1 ? Number(rows[0]?.[measure]) : Number.NaN;
}

function departures(origin: string, expected: number): KnownAnswer {
  return {
    question: `departures from ${origin}`,
    view: airportHours.name,
    parameters: { origin, groupBy: "origin", measures: "flights" },
    value: (rows) => only(rows, "flights"),
    expected,
    sql: `count(*) FILTER (WHERE origin = '${origin}')`,
  };
}

export const knownAnswers: readonly KnownAnswer[] = [
  {
    question: "flights",
    view: totalsByHour.name,
    parameters: { groupBy: "", measures: "flights" },
    value: (rows) => only(rows, "flights"),
    expected: flightCount,
    sql: "count(*)",
  },
  {
    question: "miles flown",
    view: totalsByHour.name,
    parameters: { groupBy: "", measures: "distance" },
    value: (rows) => only(rows, "distance"),
    expected: 2_194_861_208,
    sql: "sum(distance)",
  },
  departures("ORD", 166_341),
  departures("DFW", 157_162),
  departures("ATL", 124_711),
  {
    question: "minutes of delay at ORD",
    view: airportHours.name,
    parameters: { origin: "ORD", groupBy: "origin", measures: "flights,delay" },
    // The view has the mean; mean × count is the sum again, to far less than half a minute.
    value: (rows) => Math.round(only(rows, "delay") * only(rows, "flights")),
    expected: 1_542_589,
    sql: "sum(delay) FILTER (WHERE origin = 'ORD')",
  },
  {
    question: "airport-hours with a flight",
    view: airportHours.name,
    parameters: { measures: "flights" },
    value: (rows) => rows.length,
    expected: 424_259,
    sql: "count(DISTINCT (origin, date_trunc('hour', date)))",
  },
];

/** The known answers to the first `limit` flights of the replay only. */
export async function answersTo(limit: number): Promise<readonly KnownAnswer[]> {
  if (limit >= flightCount) return knownAnswers;
  const expected = await askFlights(
    knownAnswers.map(({ sql }) => sql),
    limit,
  );
  return knownAnswers.map((answer, i) => ({ ...answer, expected: expected[i] ?? Number.NaN }));
}
