import { defineOperator, type Operator } from "../expression.ts";
import type { FieldType } from "../field.ts";

/** The first if it is not null, else the second. */
export function coalesce(result: FieldType): Operator {
  return defineOperator({
    name: "coalesce",
    result,
    nulls: "mind",
    nullable: (args) => args.every((arg) => arg.nullable),
    js: ([a, b]) => `(${a} ?? ${b})`,
    sql: ([a, b]) => `coalesce(${a}, ${b})`,
  });
}

/** The second where the first is true; the third where it is false or unknown. */
export function choose(result: FieldType): Operator {
  return defineOperator({
    name: "when",
    result,
    nulls: "mind",
    nullable: ([, ...values]) => values.some((value) => value.nullable),
    js: ([condition, a, b]) => `(${condition} === true ? ${a} : ${b})`,
    sql: ([condition, a, b]) => `(CASE WHEN ${condition} THEN ${a} ELSE ${b} END)`,
  });
}
