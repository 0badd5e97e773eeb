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
  readonly kind: "at-least" | "at-most";
  readonly value: number;
  readonly unit: "" | "×" | " ms";
}

export function atLeast(value: number): Bound {
  return { kind: "at-least", value, unit: "" };
}

export function atMost(value: number, unit: "×" | " ms"): Bound {
  return { kind: "at-most", value, unit };
}

export function isWithin(measured: number, { kind, value }: Bound): boolean {
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
  const pairs: { readonly ours: number; readonly theirs: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) {
      const a = await ours(round);
      pairs.push({ ours: a, theirs: await theirs(round) });
    } else {
      const b = await theirs(round);
      pairs.push({ ours: await ours(round), theirs: b });
    }
  }
  return {
    ours: quantile(
      pairs.map((pair) => pair.ours),
      0.5,
    ),
    theirs: quantile(
      pairs.map((pair) => pair.theirs),
      0.5,
    ),
    ratio: quantile(
      pairs.map((pair) => pair.ours / pair.theirs),
      0.5,
    ),
  };
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
