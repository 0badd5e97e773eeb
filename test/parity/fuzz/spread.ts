/** Variance by rational arithmetic over whole numbers: exact of any doubles. Shares no code with `views/`. */

const bytes = new DataView(new ArrayBuffer(8));

/** A double times 2^1074, which is whole: its fraction as bits, moved by its exponent. */
function scaled(x: number): bigint {
  bytes.setFloat64(0, Math.abs(x));
  const bits = bytes.getBigUint64(0);
  const exponent = bits >> 52n;
  const fraction = bits & ((1n << 52n) - 1n);
  const size = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return x < 0 ? -size : size;
}

/** a / (b·2^shift) as a double: 64 bits of it, rounded once more. */
function quotient(a: bigint, b: bigint, shift: number): number {
  if (a === 0n) return 0;
  const wanted = 64 - (a.toString(2).length - b.toString(2).length);
  const whole = wanted >= 0 ? (a << BigInt(wanted)) / b : a / (b << BigInt(-wanted));
  // In two steps: the power by itself may be beyond a double.
  const power = -wanted - shift;
  return Number(whole) * 2 ** Math.trunc(power / 2) * 2 ** (power - Math.trunc(power / 2));
}

export interface Spread {
  readonly variance: number;
  /** Σx². */
  readonly squares: number;
}

/** Null where it is not defined. `freedom`: how much less than n it is divided by. */
export function spreadOf(numbers: readonly number[], freedom: 0 | 1): Spread | null {
  const n = BigInt(numbers.length);
  if (n <= BigInt(freedom)) return null;
  const all = numbers.map(scaled);
  const sum = all.reduce((total, x) => total + x, 0n);
  const squares = all.reduce((total, x) => total + x * x, 0n);
  return {
    variance: quotient(n * squares - sum * sum, n * (n - BigInt(freedom)), 2 * 1074),
    squares: quotient(squares, 1n, 2 * 1074),
  };
}
