import { isDeepStrictEqual } from "node:util";
import { DuckDBInstance } from "@duckdb/node-api";
import { beforeAll, expect, test } from "vitest";
import { knownAnswers } from "../../examples/flights/answers.ts";
import { flight } from "../../examples/flights/app.ts";
import { askFlights, type FlightLines, flightsPath, replay } from "../../examples/flights/flights.ts";
import { Decoder } from "../../views/decoder.ts";

interface Row {
  readonly id: number;
  readonly date: number;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

/** All flights in order of arrival, sorted here and not by the query under test. */
let arrivals: readonly Row[];

const arrivalOf = (row: Row) => row.date + Math.max(row.delay, 0) * 60_000;

beforeAll(async () => {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  // Whoever arrives among the first 20,000 left on one of the first two days.
  const reader = await connection.runAndReadAll(
    `SELECT file_row_number, epoch_ms(date), delay, distance, origin, destination
     FROM read_parquet('${flightsPath}', file_row_number = true) WHERE date < '2001-01-04'`,
  );
  const rows = reader.getRows().map(([id, date, delay, distance, origin, destination]) => ({
    id: Number(id),
    date: Number(date),
    delay: Number(delay),
    distance: Number(distance),
    origin: String(origin),
    destination: String(destination),
  }));
  instance.closeSync();
  arrivals = rows.sort((a, b) => arrivalOf(a) - arrivalOf(b) || a.id - b.id);
});

async function collect(pieces: AsyncIterable<FlightLines>) {
  const all: FlightLines[] = [];
  for await (const piece of pieces) all.push(piece);
  return {
    text: Buffer.concat(all.map(({ bytes }) => bytes)).toString(),
    events: all.reduce((sum, { events }) => sum + events, 0),
    late: all.reduce((sum, { late }) => sum + late, 0),
    lastArrival: all.at(-1)?.lastArrival,
  };
}

test("flights come in order of arrival, each a complete event whose id has its row in the file", async () => {
  const limit = 20_000;
  const { text, events, lastArrival } = await collect(replay({ limit }));
  expect(events).toBe(limit);
  expect(text.endsWith("\n")).toBe(true);
  const decoder = new Decoder([flight]);
  const expected = arrivals.slice(0, limit).map(({ id, date, origin, destination, delay, distance }) => ({
    id: `flight-${id}`,
    source: "/flights",
    type: "aviation.flight.landed",
    time: date,
    key: origin,
    data: { origin, destination, delay, distance },
  }));
  const lines = text.slice(0, -1).split("\n");
  expect(lines).toHaveLength(limit);
  // One at a time: the difference of two lists this long would take half a minute to print.
  lines.forEach((line, n) => {
    if (!isDeepStrictEqual(decoder.decode(line), expected[n])) {
      expect(decoder.decode(line)).toEqual(expected[n]);
    }
  });
  const last = arrivals[limit - 1];
  expect(lastArrival).toBe(last && arrivalOf(last));
});

test("late are the flights whose time lies before one that had arrived already", async () => {
  const limit = 20_000;
  let latest = Number.NEGATIVE_INFINITY;
  let late = 0;
  for (const { date } of arrivals.slice(0, limit)) {
    if (date < latest) late++;
    latest = Math.max(latest, date);
  }
  expect((await collect(replay({ limit }))).late).toBe(late);
  expect(late).toBeGreaterThan(limit / 3);
});

test("a replay that goes on where one stopped gives what is left, late flights included", async () => {
  const whole = await collect(replay({ limit: 13_000 }));
  const first = await collect(replay({ limit: 6_500 }));
  const rest = await collect(replay({ from: 6_500, limit: 6_500 }));
  expect(first.text + rest.text === whole.text).toBe(true);
  expect(first.late + rest.late).toBe(whole.late);
});

test("the known answers are what DuckDB finds in the file", async () => {
  expect(await askFlights(knownAnswers.map(({ sql }) => sql))).toEqual(
    knownAnswers.map(({ expected }) => expected),
  );
});
