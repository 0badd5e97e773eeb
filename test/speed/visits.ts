import type { Append, LogRecord } from "../../infra/log/log.ts";
import type { Offset } from "../../views/cut.ts";
import { count, defineApp, defineEvent, defineView, max, sum, Type, tumbling } from "../../views/index.ts";
import type { Cell } from "../../views/state.ts";

/** A small app for tests of the speed layer: two views of one event type, whose duplicates lie up to 6 records back. */
export const visit = defineEvent({
  name: "speed.visit.made",
  schema: Type.Object({ place: Type.String(), stay: Type.Optional(Type.Integer()) }),
  key: (f) => f.place,
  partitions: 2,
  duplicatesWithin: 6,
});

export const placesByHour = defineView({
  name: "places-by-hour",
  from: visit,
  by: (f) => ({ place: f.place, hour: tumbling("1h") }),
  measures: (f) => ({ visits: count(), stay: sum(f.stay), longest: max(f.stay) }),
});

export const longVisits = defineView({
  name: "long-visits",
  from: visit,
  by: () => ({}),
  where: (f) => f.stay.gt(2),
  measures: (f) => ({ visits: count(), stay: sum(f.stay) }),
});

export const visits = defineApp({ name: "visits", views: [placesByHour, longVisits] });

/** What a test puts into the log: a visit, or bytes that are none. */
export type Visit =
  | {
      readonly id: string;
      readonly place: string;
      readonly time: number;
      readonly stay: number | undefined;
      /** Whether the log is handed the decoded event along with the bytes, as the gateway does. */
    }
  | "garbage";

export function appendOf(made: Visit, partition: number): Append {
  if (made === "garbage")
    return { topic: visit.name, partition, key: null, value: Buffer.from([0x7b, 0xff]) };
  const { id, place, time, stay } = made;
  const data = stay === undefined ? { place } : { place, stay };
  const envelope = { id, source: "test", type: visit.name, time: new Date(time).toISOString(), data };
  const value = Buffer.from(JSON.stringify(envelope));
  return { topic: visit.name, partition, key: place, value };
}

export function recordOf(made: Visit, at: number): LogRecord {
  const { key, value } = appendOf(made, 0);
  return { offset: at as Offset, key, value, headers: undefined, timestampMs: undefined };
}

/** Which of a partition's records count: the duplicate rule, by looking at all N before each. */
export function counted(records: readonly Visit[]): readonly (Exclude<Visit, "garbage"> | undefined)[] {
  return records.map((made, i) => {
    if (made === "garbage") return undefined;
    const before = records.slice(Math.max(0, i - visit.duplicatesWithin), i);
    return before.some((each) => each !== "garbage" && each.id === made.id) ? undefined : made;
  });
}

export type Rows = Readonly<Record<string, readonly Cell[]>>;

/** What the two views hold of the records `[from, to)` of the partitions, computed the plain way. */
export function expectedRows(
  partitions: readonly (readonly Visit[])[],
  from: readonly number[],
  to: readonly number[],
): { readonly places: Rows; readonly long: Rows } {
  const made = partitions
    .flatMap((records, p) => counted(records).slice(from[p], to[p]))
    .filter((v) => v !== undefined);
  const places: Record<string, Cell[]> = {};
  const long: Record<string, Cell[]> = {};
  for (const { place, time, stay } of made) {
    const key = JSON.stringify([[place], Math.floor(time / 3_600_000) * 3_600_000]);
    const [n, total, longest] = (places[key] ?? [0, null, null]) as [number, Cell, number | null];
    places[key] =
      stay === undefined
        ? [n + 1, total, longest]
        : [n + 1, exactSum(total, stay), longest === null ? stay : Math.max(longest, stay)];
    if (stay === undefined || stay <= 2) continue;
    const [m, sumOfLong] = (long["[[],0]"] ?? [0, null]) as [number, Cell];
    long["[[],0]"] = [m + 1, exactSum(sumOfLong, stay)];
  }
  return { places, long };
}

/** A number while that is exact, else a bigint. */
function exactSum(total: Cell, stay: number): Cell {
  const sum = BigInt(typeof total === "number" || typeof total === "bigint" ? total : 0) + BigInt(stay);
  return Number.isSafeInteger(Number(sum)) ? Number(sum) : sum;
}
