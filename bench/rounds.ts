import type { ChildProcess } from "node:child_process";
import { constants, setPriority } from "node:os";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What one row of the table says. */
export interface Row {
  readonly what: string;
  readonly against: string;
  /** What must be reached, and what is aimed at. */
  readonly mark: Bound;
  readonly aim: Bound;
  /** Held against the bounds: a ratio or milliseconds. */
  readonly measured: number;
  /** The numbers behind it. */
  readonly detail: string;
}

export interface Bound {
  readonly kind: "at-least" | "at-most" | "none";
  readonly value: number;
  readonly unit: "" | "×" | " ms";
}

export function atLeast(value: number): Bound {
  return { kind: "at-least", value, unit: "" };
}

export function atMost(value: number, unit: "×" | " ms"): Bound {
  return { kind: "at-most", value, unit };
}

/** What is shown to be looked at, and must not reach anything. */
export function unbounded(unit: Bound["unit"]): Bound {
  return { kind: "none", value: Number.NaN, unit };
}

export function isWithin(measured: number, { kind, value }: Bound): boolean {
  if (kind === "none") return true;
  return kind === "at-least" ? measured >= value : measured <= value;
}

/** One round of a side: gives a number, larger or smaller being better as the row has it. */
export type Side = (round: number) => Promise<number> | number;

export interface Alternated {
  readonly ours: number;
  readonly theirs: number;
  /** The median of ours ÷ theirs, round by round: what slows the machine for a while slows both sides of a round. */
  readonly ratio: number;
}

/** Both sides in turn, the first one changing from round to round. */
export async function alternate(rounds: number, ours: Side, theirs: Side): Promise<Alternated> {
  const [alternated] = await alternateAll(rounds, ours, [theirs]);
  if (alternated === undefined) throw new Error("there is nothing to hold it against");
  return alternated;
}

/** The same with several others, against each of which ours is held. */
export async function alternateAll(
  rounds: number,
  ours: Side,
  others: readonly Side[],
): Promise<readonly Alternated[]> {
  const sides = [ours, ...others];
  const measured: number[][] = sides.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < sides.length; i++) {
      const at = (i + round) % sides.length;
      measured[at]?.push((await sides[at]?.(round)) ?? Number.NaN);
    }
  }
  const [own = [], ...rest] = measured;
  return rest.map((theirs) => ({
    ours: quantile(own, 0.5),
    theirs: quantile(theirs, 0.5),
    ratio: quantile(
      own.map((value, round) => value / (theirs[round] ?? Number.NaN)),
      0.5,
    ),
  }));
}

/** The value at rank ⌈q·n⌉ of n. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** So that a round does not pay for the garbage of the one before. */
export function settle(): void {
  collectGarbage();
}

/** Clients would be on machines of their own: on this one they take what time is left by what is measured. */
export function giveWay({ pid }: ChildProcess): void {
  if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
}
