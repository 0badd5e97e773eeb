import { tumbling, type Window } from "../../../views/window.ts";

/** One window: how it is declared, and the first millisecond of the pane that holds a time. */
export interface WindowEntry {
  declared(): Window;
  meant(time: number): number;
}

/** Panes of equal length from the epoch on, in whole numbers, before 1970 as after. */
function equalPanes(length: string, widthMs: bigint): WindowEntry {
  return {
    declared: () => tumbling(length),
    meant: (time) => {
      const past = BigInt(time) % widthMs;
      return Number(BigInt(time) - (past < 0n ? past + widthMs : past));
    },
  };
}

/** Every window that cases are made of. A new kind is one entry here. */
export const windows: Readonly<Record<string, WindowEntry>> = {
  "1h": equalPanes("1h", 3_600_000n),
  "7ms": equalPanes("7ms", 7n),
  "7d": equalPanes("7d", 604_800_000n),
  "3660d": equalPanes("3660d", 316_224_000_000n),
};
