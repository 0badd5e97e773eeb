import type { Aggregate } from "./aggregate.ts";
import { addIntegers, exactSumSql, type Integer } from "./integer.ts";
import type { Cell, StateColumn } from "./state.ts";

/**
 * Count, sum and sum of squares: the state of variance and standard deviation. `variance` gives that of the population
 * or, with one degree of freedom less, that of a sample; null where it is not defined.
 */
export interface Moments extends Required<Pick<Aggregate, "state" | "add" | "sql" | "merge">> {
  readonly noise?: Aggregate["noise"];
  readonly approximation?: string;
  variance(cells: readonly Cell[], i: number, isSample: boolean): number | null;
  varianceSql?(columns: readonly string[], i: number, isSample: boolean): string;
}

const half = 2 ** 27;

/**
 * Exact, of integers. A square can have 106 bits, and a sum of such does not fit DuckDB's integers. So x is split into
 * high·2^27 + low with |low| ≤ 2^26: the sums of high², high·low and low² are each of products that a double holds.
 */
export const integerMoments: Moments = Object.freeze<Moments>({
  state: Object.freeze(
    ["count", "sum", "high", "cross", "low"].map((name) => ({ name, type: "integer", zero: 0 }) as const),
  ),
  add: ([n, sum, high, cross, low], x) => `const h = Math.floor(${x} / ${half} + 0.5);
      const l = ${x} - h * ${half};
      ${n} = addIntegers(${n}, 1);
      ${sum} = addIntegers(${sum}, ${x});
      ${high} = addIntegers(${high}, h * h);
      ${cross} = addIntegers(${cross}, h * l);
      ${low} = addIntegers(${low}, l * l);`,
  sql(x, filter) {
    const h = `CAST(floor(CAST(${x} AS DOUBLE) / ${half} + 0.5) AS BIGINT)`;
    const l = `(${x} - ${h} * ${half})`;
    const sums = [x, `${h} * ${h}`, `${h} * ${l}`, `${l} * ${l}`].map((each) => exactSumSql(each, filter));
    return [`count(${x})${filter}`, ...sums.map((each) => `coalesce(${each}, 0)`)];
  },
  merge(a, i, b, j) {
    for (let c = 0; c < 5; c++) a[i + c] = addIntegers(a[i + c] as Integer, b[j + c] as Integer);
  },
  variance(cells, i, isSample) {
    const [n = 0n, sum = 0n, high = 0n, cross = 0n, low = 0n] = cells
      .slice(i, i + 5)
      .map((cell) => BigInt(cell as Integer));
    const divisor = n * (n - (isSample ? 1n : 0n));
    if (divisor <= 0n) return null;
    const squares = (high << 54n) + (cross << 28n) + low;
    return Number(n * squares - sum * sum) / Number(divisor);
  },
});

/** Numbers beyond this have squares whose sum may overflow. */
const greatest = 1e140;

/**
 * Of floats: count, sum, and the sum of squared deviations S from the mean, updated by Youngs and Cramer (1971) and merged by
 * Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979); DuckDB
 * computes S by Welford's method. Their error in S is of the order n·2⁻⁵³·√(S·Σx²) and, of second order, (n·2⁻⁵³)²·Σx², which is
 * all there is where the numbers are nearly equal (Chan, Golub and LeVeque, "Algorithms for computing the sample variance",
 * 1983); `noise` allows eight times the unit n·2⁻⁵³. A group with a number beyond ±10^140 has no variance.
 */
export const floatMoments: Moments = Object.freeze<Moments>({
  approximation: "float variance: n*var off by at most u·sqrt(n·var·sum(x^2)) + u^2·sum(x^2), u = n·2^-50",
  state: Object.freeze<StateColumn[]>([
    { name: "count", type: "integer", zero: 0 },
    { name: "sum", type: "float", zero: 0 },
    { name: "deviations", type: "float", zero: 0 },
    { name: "beyond", type: "integer", zero: 0 },
  ]),
  add: ([n, sum, deviations, beyond], x) => `if (${x} <= ${greatest} && ${x} >= -${greatest}) {
        ${sum} += ${x};
        if (${n} > 0) {
          const d = (${n} + 1) * ${x} - ${sum};
          ${deviations} += (d / ${n}) * (d / (${n} + 1));
        }
        ${n} = ${n} + 1;
      } else ${beyond} = addIntegers(${beyond}, 1);`,
  sql(x, filter) {
    const within = `CASE WHEN abs(${x}) <= CAST(${greatest} AS DOUBLE) THEN ${x} END`;
    return [
      `count(${within})${filter}`,
      `coalesce(sum(${within})${filter}, 0)`,
      `coalesce(var_pop(${within})${filter} * count(${within})${filter}, 0)`,
      `count(CASE WHEN NOT abs(${x}) <= CAST(${greatest} AS DOUBLE) THEN 1 END)${filter}`,
    ];
  },
  merge(a, i, b, j) {
    const [n, m] = [a[i] as number, b[j] as number];
    const [sum, other] = [a[i + 1] as number, b[j + 1] as number];
    const d = n === 0 || m === 0 ? 0 : n * other - m * sum;
    a[i] = n + m;
    a[i + 1] = sum + other;
    // Grouped so that it commutes to the last bit, and does not overflow.
    const between = d === 0 ? 0 : (d / (n * m)) * (d / (n + m));
    a[i + 2] = (a[i + 2] as number) + (b[j + 2] as number) + between;
    a[i + 3] = addIntegers(a[i + 3] as Integer, b[j + 3] as Integer);
  },
  noise(cells, i) {
    const [n = 0, sum = 0, deviations = 0] = cells.slice(i, i + 3).map(Number);
    if (n === 0) return [0, 0, 0, 0];
    const squares = deviations + (sum / n) * sum;
    const unit = n * 2 ** -50;
    // Roots before products: of numbers below 10^-81 a product of squares would be 0.
    const root = Math.sqrt(squares);
    return [0, unit * Math.sqrt(n) * root, unit * Math.sqrt(deviations) * root + unit * unit * squares, 0];
  },
  variance(cells, i, isSample) {
    const divisor = (cells[i] as number) - (isSample ? 1 : 0);
    return divisor <= 0 || cells[i + 3] !== 0 ? null : (cells[i + 2] as number) / divisor;
  },
  varianceSql(columns, i, isSample) {
    const divisor = `(${columns[i]} - ${isSample ? 1 : 0})`;
    return `CASE WHEN ${divisor} > 0 AND ${columns[i + 3]} = 0 THEN ${columns[i + 2]} / CAST(${divisor} AS DOUBLE) END`;
  },
});
