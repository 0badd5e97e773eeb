import { session, sliding, tumbling, type Window } from "../../../views/window.ts";
import { clockAt, firstDayAt } from "./clocks.ts";

/**
 * One window: how it is declared, and by what each of a key's records is told apart: given all their times, in
 * order. Several are rows of which each has it.
 */
export interface WindowEntry {
  declared(): Window;
  meant(times: readonly number[]): readonly (number | readonly number[])[];
  /** Whether rows are sessions: measures whose sums depend on the order are then refused, and there are some over sessions. */
  readonly isOfSessions?: true;
}

/** Panes of equal length from the epoch on, in whole numbers, before 1970 as after. */
function equalPanes(length: string, widthMs: bigint): WindowEntry {
  return {
    declared: () => tumbling(length),
    meant: (times) =>
      times.map((time) => {
        const past = BigInt(time) % widthMs;
        return Number(BigInt(time) - (past < 0n ? past + widthMs : past));
      }),
  };
}

/** All that began since a length ago, and not after the record. */
function overlapping(length: string, every: string, lengthMs: bigint, everyMs: bigint): WindowEntry {
  return {
    declared: () => sliding(length, { every }),
    meant: (times) =>
      times.map((time) => {
        const starts: number[] = [];
        const past = BigInt(time) % everyMs;
        let start = BigInt(time) - (past < 0n ? past + everyMs : past);
        for (; start + lengthMs > BigInt(time); start -= everyMs) starts.push(Number(start));
        return starts;
      }),
  };
}

/** A session goes by the time of its first record, and on for as long as the next is no more than the gap away. */
function sessions(gap: string, gapMs: number): WindowEntry {
  return {
    declared: () => session(gap),
    isOfSessions: true,
    meant: (times) => {
      let start = times[0] ?? 0;
      return times.map((time, i) => {
        if (time - (times[i - 1] ?? time) > gapMs) start = time;
        return start;
      });
    },
  };
}

/** By what clocks show: the midnight that the day, week or month begins with, as if in UTC. */
function calendar(length: string, unit: "day" | "week" | "month", zone: string): WindowEntry {
  return {
    declared: () => tumbling(length, { tz: zone }),
    meant: (times) =>
      times.map((time) => {
        const [year = 0, month = 1, day = 1] = firstDayAt(clockAt(time, zone), unit).split("-").map(Number);
        return new Date(0).setUTCFullYear(year, month - 1, day);
      }),
  };
}

/** By the window of a view, what its panes are rolled up into at query time. */
export const coarser: Readonly<Record<string, readonly WindowEntry[]>> = {
  "1h": [
    calendar("1d", "day", "America/New_York"),
    calendar("1d", "day", "America/Sao_Paulo"),
    calendar("1w", "week", "Europe/Berlin"),
    calendar("1mo", "month", "Asia/Kolkata"),
    calendar("1w", "week", "UTC"),
    calendar("1mo", "month", "UTC"),
    equalPanes("5d", 432_000_000n),
  ],
  "calendar 1d America/New_York": [
    calendar("1w", "week", "America/New_York"),
    calendar("1mo", "month", "America/New_York"),
  ],
  "calendar 1d America/Sao_Paulo": [
    calendar("1w", "week", "America/Sao_Paulo"),
    calendar("1mo", "month", "America/Sao_Paulo"),
  ],
};

/** Every window that cases are made of. A new kind is one entry here. */
export const windows: Readonly<Record<string, WindowEntry>> = {
  "1h": equalPanes("1h", 3_600_000n),
  "7ms": equalPanes("7ms", 7n),
  "7d": equalPanes("7d", 604_800_000n),
  "3660d": equalPanes("3660d", 316_224_000_000n),
  "sliding 1h every 20m": overlapping("1h", "20m", 3_600_000n, 1_200_000n),
  "sliding 12ms every 4ms": overlapping("12ms", "4ms", 12n, 4n),
  "sliding 3660d every 1464h": overlapping("3660d", "1464h", 316_224_000_000n, 5_270_400_000n),
  "calendar 1d America/New_York": calendar("1d", "day", "America/New_York"),
  "calendar 1d America/Sao_Paulo": calendar("1d", "day", "America/Sao_Paulo"),
  "calendar 1w Europe/Berlin": calendar("1w", "week", "Europe/Berlin"),
  "calendar 1mo Asia/Kolkata": calendar("1mo", "month", "Asia/Kolkata"),
  "calendar 1mo UTC": calendar("1mo", "month", "UTC"),
  "session 1ms": sessions("1ms", 1),
  "session 2m": sessions("2m", 120_000),
  "session 1h": sessions("1h", 3_600_000),
  "session 76d": sessions("76d", 6_566_400_000),
};
