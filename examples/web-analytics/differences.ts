import type { ExactRow } from "./exact-answers.ts";
import type { Question, Tolerance } from "./questions.ts";

/** What was found when the rows of an answer were held against the exact ones. */
export interface Differences {
  readonly rows: number;
  /** Rows that are missing, too many, or wrong in a column. */
  readonly differing: number;
  /** The first of them, in words. */
  readonly examples: readonly string[];
  /** By column that is not exact: the mean square of its relative errors, as a root, and what was declared. */
  readonly errors: Readonly<Record<string, { readonly found: number; readonly declared: number }>>;
}

type Row = Readonly<Record<string, unknown>>;

const keptExamples = 5;

/** Every column of every row; what is exact to the last bit. */
export function findDifferences(
  { title, key, about }: Question,
  answered: readonly Row[],
  exact: readonly ExactRow[],
): Differences {
  const keyOf = (row: Row) => JSON.stringify(key.map((name) => row[name]));
  const left = new Map(answered.map((row) => [keyOf(row), row]));
  const examples: string[] = [];
  let differing = answered.length - left.size;
  const differs = (text: string) => {
    differing++;
    if (examples.length < keptExamples) examples.push(`${title}: ${text}`);
  };
  const squares = new Map(Object.keys(about).map((name) => [name, 0]));
  for (const expected of exact) {
    const row = left.get(keyOf(expected));
    left.delete(keyOf(expected));
    if (row === undefined) {
      differs(`no row ${JSON.stringify(expected)}`);
      continue;
    }
    const wrong = Object.keys(expected).find(
      (name) => !isWithin(about[name], row[name], expected[name] ?? null),
    );
    if (wrong !== undefined) {
      differs(`${wrong} is ${row[wrong]}, not ${expected[wrong]}, in ${JSON.stringify(expected)}`);
    }
    for (const [name, sum] of squares) squares.set(name, sum + relativeError(row[name], expected[name]) ** 2);
  }
  for (const row of left.values()) differs(`a row too many, ${JSON.stringify(row)}`);
  const errors = Object.entries(about).map(([name, { share }]) => {
    const found = Math.sqrt((squares.get(name) ?? 0) / Math.max(exact.length, 1));
    return [name, { found, declared: share }] as const;
  });
  return { rows: exact.length, differing, examples, errors: Object.fromEntries(errors) };
}

function relativeError(value: unknown, expected: unknown): number {
  return Number(expected) === 0 ? 0 : (Number(value) - Number(expected)) / Number(expected);
}

/** Of a standard error nothing lies further off than five times it; few are counted one too few where two share a register. */
function isWithin(
  tolerance: Tolerance | undefined,
  value: unknown,
  expected: string | number | null,
): boolean {
  if (tolerance === undefined || expected === null) return Object.is(value, expected);
  const off = Math.abs(Number(value) - Number(expected));
  const allowed = Number(expected) * tolerance.share;
  return off <= (tolerance.kind === "bound" ? allowed : 5 * allowed + 1);
}
