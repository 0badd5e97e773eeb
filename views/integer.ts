/** A whole number of any size: a `number` while it is exact as a double, else a `bigint`. One form per value. */
export type Integer = number | bigint;

const max = Number.MAX_SAFE_INTEGER;

/** The canonical form of a bigint. */
export function integer(value: bigint): Integer {
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
}

/**
 * Exact sum. If both are safe, |a + b| < 2^54, and a sum beyond 2^53 − 1 rounds to at least 2^53, so that the
 * comparison never passes an inexact one.
 */
export function addIntegers(a: Integer, b: Integer): Integer {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (sum <= max && sum >= -max) return sum;
  }
  return integer(BigInt(a) + BigInt(b));
}

/** a / b in doubles, each rounded once to the nearest double. */
export function divideIntegers(a: Integer, b: Integer): number {
  return Number(a) / Number(b);
}

/** The nearest double of a whole number in SQL: beyond 2^53 a cast may give the one beside it, and its text does not. */
export function nearestDoubleSql(x: string): string {
  const isSafe = `${x} BETWEEN ${-max} AND ${max}`;
  return `CASE WHEN ${isSafe} THEN CAST(${x} AS DOUBLE) ELSE CAST(CAST(${x} AS VARCHAR) AS DOUBLE) END`;
}

/** sum(BIGINT) is a HUGEINT, which Parquet has no type for; a DECIMAL of 38 digits holds 2^73 sums of safe integers. */
export function exactSumSql(x: string, filter: string): string {
  return `CAST(sum(${x})${filter} AS DECIMAL(38, 0))`;
}
