import type { Measure, Value } from "../views/aggregate.ts";
import type { StateRow } from "../views/state.ts";
import { jsonValue } from "./json-value.ts";
import { compareValues } from "./order.ts";
import type { RowKey } from "./row-key.ts";

/** A value on each side, and by how much the second is more than the first. */
export interface LargestDifference {
  readonly difference: number;
  readonly key: RowKey;
  readonly from: unknown;
  readonly to: unknown;
}

/** In how many rows that both have a measure differs, and where it does most; null where none differs by a number. */
export interface MeasureDifference {
  readonly name: string;
  readonly differing: number;
  readonly largest: LargestDifference | null;
  /** By the share of the first value that it is: 0.5 is half as much again. Nothing is a share of 0. */
  readonly largestRelative: LargestDifference | null;
}

interface Found {
  readonly difference: number;
  readonly row: StateRow;
  readonly from: Value;
  readonly to: Value;
}

/** Sums of floats come in the order in which their parts were added: what differs by less than this share is equal. */
const noise = 1e-9;

/** Holds one measure of two versions of a view against each other. */
export class MeasureTally {
  readonly #from: Measure;
  readonly #to: Measure;
  #differing = 0;
  #largest: Found | undefined;
  #largestRelative: Found | undefined;

  constructor(from: Measure, to: Measure) {
    this.#from = from;
    this.#to = to;
  }

  /** Whether it differs in rows of the same key. */
  note(fromRow: StateRow, toRow: StateRow): boolean {
    const from = present(this.#from, fromRow);
    const to = present(this.#to, toRow);
    if (isEqual(from, to)) return false;
    this.#differing++;
    const [a, b] = [numberOf(from), numberOf(to)];
    if (a === undefined || b === undefined) return true;
    const difference = exactDifference(from, to) ?? b - a;
    this.#largest = larger(this.#largest, { difference, row: fromRow, from, to });
    if (a === 0) return true;
    const relative = { difference: difference / Math.abs(a), row: fromRow, from, to };
    this.#largestRelative = larger(this.#largestRelative, relative);
    return true;
  }

  outcome(keyOf: (row: StateRow) => RowKey): MeasureDifference {
    const told = (found: Found | undefined) =>
      found === undefined
        ? null
        : {
            difference: found.difference,
            key: keyOf(found.row),
            from: jsonValue(found.from),
            to: jsonValue(found.to),
          };
    return {
      name: this.#from.name,
      differing: this.#differing,
      largest: told(this.#largest),
      largestRelative: told(this.#largestRelative),
    };
  }
}

function present({ aggregate, firstCell }: Measure, { cells }: StateRow): Value {
  return aggregate.present(cells, firstCell);
}

function isEqual(a: Value, b: Value): boolean {
  if (typeof a !== "number" || typeof b !== "number" || (Number.isInteger(a) && Number.isInteger(b))) {
    return sameKind(a, b) && compareValues(a, b) === 0;
  }
  return Object.is(a, b) || Math.abs(a - b) <= noise * Math.max(Math.abs(a), Math.abs(b));
}

/** Whole numbers are equal whichever way they are held; else a text is no number. */
function sameKind(a: Value, b: Value): boolean {
  const kind = (value: Value) => (typeof value === "bigint" ? "number" : typeof value);
  return kind(a) === kind(b) && (a === null) === (b === null);
}

/** Of what is no finite number there is no difference. */
function numberOf(value: Value): number | undefined {
  const number = typeof value === "bigint" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}

/** Subtracted as whole numbers where doubles would lose the last digits. */
function exactDifference(from: Value, to: Value): number | undefined {
  const isWhole = (value: Value) => typeof value === "bigint" || Number.isInteger(value);
  if (typeof from !== "bigint" && typeof to !== "bigint") return undefined;
  if (!isWhole(from) || !isWhole(to)) return undefined;
  return Number(BigInt(to as number | bigint) - BigInt(from as number | bigint));
}

function larger(a: Found | undefined, b: Found): Found {
  return a !== undefined && Math.abs(a.difference) >= Math.abs(b.difference) ? a : b;
}
