import type { Sketch } from "./state.ts";

/**
 * Buckets that grow with what they hold, as those of HdrHistogram and DDSketch (Masson, Rim and Lee, VLDB 2019) do, but
 * chosen by the bits of a double instead of a logarithm, so that no rounding can tell two machines apart: the bucket of a
 * number is its exponent and the first `digits` binary digits after the leading one, a whole number that rises with the number's
 * size; of negative numbers it is negative. Bucket 0 is of numbers below 2^-1022, zero above all.
 *
 * The middle of a bucket is within 2^-(digits + 1) of every number in it, relatively.
 */
const bytes = new DataView(new ArrayBuffer(8));

export function bucketOf(digits: number, x: number): number {
  bytes.setFloat64(0, Math.abs(x));
  const bucket = bytes.getUint32(0) >>> (20 - digits);
  return x < 0 ? -bucket : bucket;
}

/**
 * DuckDB expression of a bucket's code, from which `bucketOfCode` finds the bucket. Of floats that is the bucket itself.
 * Whole numbers below 2^(digits + 1) have a bucket of their own each and are their own code, larger ones go on from there:
 * most of those that there are need no look at their bits, and short texts. BIT keeps a double's bits, the sign first.
 */
export function bucketCodeSql(digits: number, x: string, isWhole: boolean): string {
  const bits = `CAST(CAST(CAST(abs(${x}) AS DOUBLE) AS BIT) AS UBIGINT)`;
  const bucket = `CAST(${bits} >> ${52 - digits} AS INTEGER)`;
  if (!isWhole) return `CASE WHEN ${x} < 0 THEN -${bucket} ELSE ${bucket} END`;
  const [alone, skipped] = [2 ** (digits + 1) - 1, skippedBy(digits)];
  return `CASE WHEN ${x} BETWEEN -${alone} AND ${alone} THEN CAST(${x} AS INTEGER)
    WHEN ${x} < 0 THEN ${skipped} - ${bucket} ELSE ${bucket} - ${skipped} END`;
}

export function bucketOfCode(digits: number, code: number, isWhole: boolean): number {
  if (!isWhole) return code;
  if (Math.abs(code) < 2 ** (digits + 1)) return bucketOf(digits, code);
  return code < 0 ? code - skippedBy(digits) : code + skippedBy(digits);
}

/** How much less than its bucket the code of a whole number is that shares its bucket with others. */
function skippedBy(digits: number): number {
  return bucketOf(digits, 2 ** (digits + 1)) - 2 ** (digits + 1);
}

/** The least number of a bucket that is not negative. */
function leastOf(digits: number, bucket: number): number {
  bytes.setUint32(0, bucket << (20 - digits));
  bytes.setUint32(4, 0);
  return bytes.getFloat64(0);
}

/** The middle of a bucket; if it holds whole numbers, the middle one of these. */
export function middleOf(digits: number, bucket: number, isWhole: boolean): number {
  if (bucket === 0) return 0;
  if (bucket < 0) return -middleOf(digits, -bucket, isWhole);
  const least = leastOf(digits, bucket);
  const beyond = leastOf(digits, bucket + 1);
  if (isWhole) return Math.floor((Math.ceil(least) + Math.ceil(beyond) - 1) / 2);
  return beyond === Number.POSITIVE_INFINITY ? least : least + (beyond - least) / 2;
}

/** How many binary digits make the middle of a bucket lie within `error`, relatively. */
export function digitsFor(error: number): number {
  return Math.max(0, Math.ceil(Math.log2(1 / error)) - 1);
}

/** How many numbers fell into each bucket. */
export class BucketCounts implements Sketch {
  readonly #counts = new Map<number, number>();

  add(bucket: number, count = 1): void {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
  }

  copy(): BucketCounts {
    const copy = new BucketCounts();
    copy.merge(this);
    return copy;
  }

  merge(other: BucketCounts): void {
    for (const [bucket, count] of other.#counts) this.add(bucket, count);
  }

  countOf(bucket: number): number {
    return this.#counts.get(bucket) ?? 0;
  }

  /** By bucket. */
  #sorted(): readonly (readonly [number, number])[] {
    return [...this.#counts].sort(([a], [b]) => a - b);
  }

  /** The bucket of the number that has `share` of all at or before it: the nearest rank. */
  bucketAt(share: number): number {
    const sorted = this.#sorted();
    const total = sorted.reduce((sum, [, count]) => sum + count, 0);
    const rank = Math.max(1, Math.ceil(share * total));
    let passed = 0;
    for (const [bucket, count] of sorted) {
      passed += count;
      if (passed >= rank) return bucket;
    }
    return 0;
  }

  /** The buckets in order, apart by commas, then ";" and their counts. */
  encode(): string {
    const sorted = this.#sorted();
    return `${sorted.map(([bucket]) => bucket).join(",")};${sorted.map(([, count]) => count).join(",")}`;
  }

  /** Reads what `encode` gives, and what SQL makes: codes and counts, "1=2,3=4", in braces or not, or codes alone, "3,1,3". */
  static decode(text: string, bucketOf: (code: number) => number): BucketCounts {
    const counts = new BucketCounts();
    if (text.includes("=")) {
      for (const each of text.replace(/[{}]/g, "").split(",")) {
        const at = each.indexOf("=");
        counts.add(bucketOf(Number(each.slice(0, at))), Number(each.slice(at + 1)));
      }
      return counts;
    }
    if (!text.includes(";")) {
      for (const [code, count] of occurrences(text)) counts.add(bucketOf(code), count);
      return counts;
    }
    const [buckets = [], ofBuckets = []] = text.split(";").map((list) => list.split(","));
    for (const [i, bucket] of buckets.entries()) counts.add(Number(bucket), Number(ofBuckets[i]));
    return counts;
  }
}

/** How often each whole number stands in "3,-1,3". There may be millions: no text is made of any. */
function occurrences(text: string): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  let [code, sign] = [0, 1];
  for (let i = 0; i <= text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit >= 0 && digit <= 9) code = code * 10 + digit;
    else if (text[i] === "-") sign = -1;
    else {
      counts.set(sign * code, (counts.get(sign * code) ?? 0) + 1);
      [code, sign] = [0, 1];
    }
  }
  return counts;
}
