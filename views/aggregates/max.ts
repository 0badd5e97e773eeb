import { type AggregateOf, defineAggregate, requireInput } from "../aggregate.ts";
import type { ValueIn } from "../expression.ts";
import type { NumberExpression, StringExpression, TimeExpression } from "../expressions/typed.ts";
import { compareText } from "../text-order.ts";
import { shownTime } from "../time.ts";
import type { Where } from "./count.ts";

/** The largest number, the last time, or the last text in order of UTF-8 bytes; null where there is none. Exact. */
export function max<I extends NumberExpression | StringExpression | TimeExpression>(
  input: I,
  options: Where = {},
): AggregateOf<ValueIn<I>> {
  const { node } = input;
  requireInput("max", node, ["integer", "number", "string", "time"]);
  const isTime = node.type === "time";
  const type = isTime
    ? "integer"
    : node.type === "number"
      ? "float"
      : node.type === "string"
        ? "string"
        : "integer";
  const isText = type === "string";
  return defineAggregate({
    kind: "max",
    input: node,
    where: options.where?.node,
    state: [{ name: "max", type, zero: null }],
    value: { type: isTime ? "string" : type === "float" ? "number" : type, nullable: true },
    add: ([m], x, { constant }) =>
      `if (${m} === null || ${isText ? `${constant(compareText)}(${x}, ${m}) > 0` : `${x} > ${m}`}) ${m} = ${x};`,
    sql: (x, filter) => [`max(${x})${filter}`],
    mergeSql: ([m]) => [`max(${m})`],
    merge(a, i, b, j) {
      const mine = a[i] as number | string | null;
      const other = b[j] as number | string | null;
      if (other !== null && (mine === null || isBeyond(other, mine))) a[i] = other;
    },
    present(cells, i) {
      const value = cells[i] as number | string | null;
      return isTime ? shownTime(value as number | null) : value;
    },
    ...(isTime ? {} : { presentSql: (columns, i) => columns[i] ?? "" }),
  });
}

function isBeyond(a: number | string, b: number | string): boolean {
  return typeof a === "string" ? compareText(a, b as string) > 0 : a > (b as number);
}
