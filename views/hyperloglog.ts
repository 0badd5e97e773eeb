import { createHash } from "node:crypto";
import type { Sketch } from "./state.ts";

/**
 * HyperLogLog (Flajolet, Fusy, Gandouet and Meunier, 2007): how many different values there are, from 2^p registers. A value's
 * hash is the lower half of the MD5 of its text, DuckDB's `md5_number_lower`; its lowest p bits choose the register, which keeps
 * the highest rank: 1 + the number of zero bits from there up to the first one. A code is register · 64 + rank.
 */
export class HyperLogLog implements Sketch {
  readonly #precision: number;
  /** Ranks by register while they are few; else all of them. */
  #few: Map<number, number> | undefined = new Map();
  #all: Uint8Array | undefined;

  constructor(precision: number) {
    this.#precision = precision;
  }

  add(code: number): void {
    const register = code >>> 6;
    const rank = code & 63;
    if (this.#all !== undefined) {
      if (rank > (this.#all[register] ?? 0)) this.#all[register] = rank;
      return;
    }
    const few = this.#few as Map<number, number>;
    if (rank <= (few.get(register) ?? 0)) return;
    few.set(register, rank);
    if (few.size > 2 ** this.#precision / 32) this.#spread(few);
  }

  /** An entry of a Map takes about as much memory as 40 registers. */
  #spread(few: ReadonlyMap<number, number>): void {
    this.#all = new Uint8Array(2 ** this.#precision);
    for (const [register, rank] of few) this.#all[register] = rank;
    this.#few = undefined;
  }

  copy(): HyperLogLog {
    const copy = new HyperLogLog(this.#precision);
    copy.#few = this.#few === undefined ? undefined : new Map(this.#few);
    copy.#all = this.#all?.slice();
    return copy;
  }

  merge(other: HyperLogLog): void {
    for (const code of other.codes()) this.add(code);
  }

  *codes(): Generator<number, void, undefined> {
    if (this.#all === undefined) {
      for (const [register, rank] of this.#few ?? []) yield register * 64 + rank;
      return;
    }
    for (const [register, rank] of this.#all.entries()) if (rank > 0) yield register * 64 + rank;
  }

  /** Codes in order, apart by commas; or, where that is shorter, "=" and a digit of base 64 for each register. */
  encode(): string {
    const codes = [...this.codes()];
    if (codes.length < 2 ** this.#precision / 8) return codes.sort((a, b) => a - b).join(",");
    const digits = new Uint8Array(2 ** this.#precision).fill(base64.charCodeAt(0));
    for (const code of codes) digits[code >>> 6] = base64.charCodeAt(code & 63);
    return `=${Buffer.from(digits.buffer).toString("latin1")}`;
  }

  /** Reads what `encode` gives, and codes in any order, several to a register. */
  static decode(precision: number, text: string): HyperLogLog {
    const sketch = new HyperLogLog(precision);
    if (!text.startsWith("=")) {
      for (const code of text.split(",")) sketch.add(Number(code));
      return sketch;
    }
    for (let register = 0; register < 2 ** precision; register++) {
      const rank = base64.indexOf(text[register + 1] ?? "A");
      if (rank > 0) sketch.add(register * 64 + rank);
    }
    return sketch;
  }

  /** The improved raw estimator: Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), algorithm 6. */
  estimate(): number {
    const registers = 2 ** this.#precision;
    const highest = 65 - this.#precision;
    const counts = new Array<number>(highest + 1).fill(0);
    let zeros = registers;
    for (const code of this.codes()) {
      const rank = code & 63;
      counts[rank] = (counts[rank] ?? 0) + 1;
      zeros--;
    }
    let z = registers * tau(1 - (counts[highest] ?? 0) / registers);
    for (let rank = highest - 1; rank >= 1; rank--) z = (z + (counts[rank] ?? 0)) / 2;
    z += registers * sigma(zeros / registers);
    return registers ** 2 / (2 * Math.LN2 * z);
  }
}

const base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

function sigma(fraction: number): number {
  if (fraction === 1) return Number.POSITIVE_INFINITY;
  let [x, y, z] = [fraction, 1, fraction];
  for (let before = Number.NaN; z !== before; ) {
    before = z;
    x *= x;
    z += x * y;
    y += y;
  }
  return z;
}

function tau(fraction: number): number {
  if (fraction === 0 || fraction === 1) return 0;
  let [x, y, z] = [fraction, 1, 1 - fraction];
  for (let before = Number.NaN; z !== before; ) {
    before = z;
    x = Math.sqrt(x);
    y /= 2;
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}

/** How many registers, as a power of two, make the relative standard error 1.04 / √(2^p) at most `error`. */
export function precisionFor(error: number): number {
  return Math.max(4, Math.ceil(2 * Math.log2(1.04 / error)));
}

/** The code of a text. */
export function codeOf(precision: number, text: string): number {
  const hash = createHash("md5").update(text).digest();
  const low = hash.readUInt32LE(8);
  const high = hash.readUInt32LE(12);
  const register = low & (2 ** precision - 1);
  const rest = low >>> precision;
  const rank =
    rest !== 0 ? 1 + trailingZeros(rest) : high !== 0 ? 33 - precision + trailingZeros(high) : 65 - precision;
  return register * 64 + rank;
}

function trailingZeros(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

/** The same as `codeOf`, of a VARCHAR. w XOR (w − 1) has one bit set more than w has zeros at its end. */
export function codeSql(precision: number, text: string): string {
  const hash = `md5_number_lower(${text})`;
  const rest = `CAST(${hash} >> ${precision} AS BIGINT)`;
  const rank = `CASE WHEN ${rest} = 0 THEN ${65 - precision} ELSE bit_count(xor(${rest}, ${rest} - 1)) END`;
  return `(CAST(${hash} & ${2 ** precision - 1} AS INTEGER) * 64 + ${rank})`;
}

/** `codeOf`, remembered for recent values: hashing costs ten times the look-up. */
export function rememberedCodes(precision: number): (value: string | number) => number {
  let young = new Map<string | number, number>();
  let old = young;
  return (value) => {
    let code = young.get(value);
    if (code !== undefined) return code;
    code = old.get(value) ?? codeOf(precision, String(value));
    if (young.size >= 16_384) {
      old = young;
      young = new Map();
    }
    young.set(value, code);
    return code;
  };
}
