import { formatCount } from "../cli/quantity.ts";
import { airportHours, flight } from "../examples/flights/app.ts";
import type { LogRecord } from "../infra/log/log.ts";
import { TailSegment } from "../infra/tail/segment.ts";
import { Admission } from "../speed-layer/admission.ts";
import { compileFold } from "../speed-layer/fold.ts";
import { offset } from "../views/cut.ts";
import type { Event } from "../views/event.ts";
import { count, defineView, max, mean, sum, tumbling } from "../views/index.ts";
import { loadLines, splitLines } from "./lines.ts";
import { alternate, atLeast, type Row, settle } from "./rounds.ts";

const rounds = 5;
const events = 300_000;
const recordsPerBatch = 1_000;

/** Bytes of records to states of `airport-hours`, as the speed layer does it, against the same written by hand. */
export async function benchFold(): Promise<Row> {
  const lines = splitLines(await loadLines(0, events));
  const batches: LogRecord[][] = [];
  lines.forEach((value, i) => {
    if (i % recordsPerBatch === 0) batches.push([]);
    batches.at(-1)?.push({ offset: offset(i), key: null, value, headers: undefined, timestampMs: undefined });
  });
  const fold = compileFold(airportHours);

  const ours = () => {
    settle();
    const startedAt = performance.now();
    const admission = new Admission(flight, 0);
    const segment = new TailSegment(airportHours, 0, offset(0));
    for (const records of batches) {
      const next = offset((records.at(-1)?.offset ?? 0) + 1);
      fold(segment, admission.admit(records, next), 0);
      segment.advance(next);
    }
    return rateOf(startedAt, segment.size);
  };
  const theirs = () => {
    settle();
    const startedAt = performance.now();
    return rateOf(startedAt, foldByHand(lines).size);
  };
  let keys: number | undefined;
  const rateOf = (startedAt: number, size: number) => {
    keys ??= size;
    if (size !== keys) throw new Error(`the sides differ: ${size} keys and ${keys}`);
    return (events * 1000) / (performance.now() - startedAt);
  };

  ours();
  theirs();
  const { ours: rate, theirs: byHand, ratio } = await alternate(rounds, ours, theirs);
  return {
    what: "speed fold from record bytes, schema and duplicates checked",
    against: "hand-written parse and Map fold, unchecked",
    mark: atLeast(0.6),
    aim: atLeast(0.9),
    measured: ratio,
    detail: `${formatCount(Math.round(rate))} against ${formatCount(Math.round(byHand))} events/s`,
  };
}

interface Flight {
  readonly time: string;
  readonly data: {
    readonly origin: string;
    readonly delay: number;
    readonly distance: number;
  };
}

interface Totals {
  flights: number;
  distance: number;
  delay: number;
  late: number;
}

function foldByHand(lines: readonly Buffer[]): Map<string, Totals> {
  const totals = new Map<string, Totals>();
  for (const line of lines) {
    const { time, data } = JSON.parse(line.toString()) as Flight;
    const hour = Math.floor(Date.parse(time) / 3_600_000) * 3_600_000;
    const key = `${data.origin}|${hour}`;
    let total = totals.get(key);
    if (total === undefined) {
      total = { flights: 0, distance: 0, delay: 0, late: 0 };
      totals.set(key, total);
    }
    total.flights++;
    total.distance += data.distance;
    total.delay += data.delay;
    if (data.delay > 15) total.late++;
  }
  return totals;
}

const sixMeasures = defineView({
  name: "six-measures",
  from: flight,
  by: (f) => ({ origin: f.origin, hour: tumbling("1h") }),
  measures: (f) => ({
    flights: count(),
    distance: sum(f.distance),
    delay: mean(f.delay),
    worst: max(f.delay),
    late: count({ where: f.delay.gt(15) }),
    lateMiles: sum(f.distance, { where: f.delay.gt(15) }),
  }),
});

/** Events to states of a view with six measures: the generated loop against one written by hand for that view. */
export async function benchSixMeasures(): Promise<Row> {
  const admission = new Admission(flight, 0);
  const records = splitLines(await loadLines(0, events)).map((value, i) => ({
    offset: offset(i),
    key: null,
    headers: undefined,
    timestampMs: undefined,
    value,
  }));
  const decoded = admission.admit(records, offset(events));
  const fold = compileFold(sixMeasures);
  let keys: number | undefined;
  const rateOf = (startedAt: number, size: number) => {
    keys ??= size;
    if (size !== keys) throw new Error(`the sides differ: ${size} keys and ${keys}`);
    return (events * 1000) / (performance.now() - startedAt);
  };
  const ours = () => {
    settle();
    const segment = new TailSegment(sixMeasures, 0, offset(0));
    const startedAt = performance.now();
    fold(segment, decoded, 0, records);
    return rateOf(startedAt, segment.size);
  };
  const theirs = () => {
    settle();
    const startedAt = performance.now();
    return rateOf(startedAt, foldSixByHand(decoded));
  };
  ours();
  theirs();
  const { ours: rate, theirs: byHand, ratio } = await alternate(2 * rounds + 1, ours, theirs);
  return {
    what: "speed fold, view with 6 measures",
    against: "hand-written Map fold of the same decoded events",
    mark: atLeast(0.6),
    aim: atLeast(0.9),
    measured: ratio,
    detail: `${formatCount(Math.round(rate))} against ${formatCount(Math.round(byHand))} events/s`,
  };
}

interface SixTotals extends Totals {
  worst: number;
  lateMiles: number;
}

/** By hour, then airport: no key is composed. */
function foldSixByHand(decoded: readonly (Event | null)[]): number {
  const hours = new Map<number, Map<string, SixTotals>>();
  let size = 0;
  for (const event of decoded) {
    if (event === null) continue;
    const { origin, delay, distance } = event.data as unknown as Flight["data"];
    const hour = Math.floor(event.time / 3_600_000) * 3_600_000;
    let totals = hours.get(hour);
    if (totals === undefined) {
      totals = new Map();
      hours.set(hour, totals);
    }
    let total = totals.get(origin);
    if (total === undefined) {
      size++;
      total = { flights: 0, distance: 0, delay: 0, late: 0, worst: delay, lateMiles: 0 };
      totals.set(origin, total);
    }
    total.flights++;
    total.distance += distance;
    total.delay += delay;
    if (delay > total.worst) total.worst = delay;
    if (delay > 15) {
      total.late++;
      total.lateMiles += distance;
    }
  }
  return size;
}
