import { defineOperator, type Operator } from "../expression.ts";
import { wholeOrNull, wholeOrNullSql } from "./arithmetic.ts";

/** One grammar for both layers: JavaScript would also take "0x1f" and " 7 ", DuckDB "1e3" and "1_000". */
const wholeNumber = "^[+-]?[0-9]+$";
const wholeNumberPattern = new RegExp(wholeNumber);

export function parseWhole(text: string): number | null {
  return wholeNumberPattern.test(text) ? wholeOrNull(Number(text)) : null;
}

export const textToInteger: Operator = defineOperator({
  name: "toInteger",
  result: "integer",
  nulls: "propagate",
  nullable: () => true,
  js: ([a], scope) => `${scope.constant(parseWhole)}(${a})`,
  sql: ([a]) => wholeOrNullSql(`TRY_CAST(regexp_extract(${a}, '${wholeNumber}') AS BIGINT)`),
});

export const booleanToInteger: Operator = defineOperator({
  name: "toInteger",
  result: "integer",
  nulls: "propagate",
  js: ([a]) => `(${a} ? 1 : 0)`,
  sql: ([a]) => `CAST(${a} AS BIGINT)`,
});

/** Of an integer its digits, of a boolean `true` or `false`. */
export const toText: Operator = defineOperator({
  name: "toText",
  result: "string",
  nulls: "propagate",
  js: ([a]) => `String(${a})`,
  sql: ([a]) => `CAST(${a} AS VARCHAR)`,
});
