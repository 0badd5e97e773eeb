import { type AggregateOf, defineAggregate } from "../aggregate.ts";
import type { Expression, ValueIn } from "../expression.ts";
import { shownTime } from "../time.ts";
import type { Where } from "./count.ts";

/**
 * What the last record of the log has, by partition, then offset, whatever its event time: of records that share the
 * partition key, the one that was written last. Null where that record has null. Of the elements of one record, the last. Exact.
 */
export function current<
  I extends Expression<string> | Expression<number> | Expression<boolean> | Expression<Date>,
>(input: I, options: Where = {}): AggregateOf<ValueIn<I>> {
  const { node } = input;
  const { type } = node;
  return defineAggregate({
    kind: "current",
    input: node,
    where: options.where?.node,
    takesNull: true,
    state: [
      { name: "partition", type: "integer", zero: null },
      { name: "offset", type: "integer", zero: null },
      { name: "value", type: type === "number" ? "float" : type === "time" ? "integer" : type, zero: null },
    ],
    value: { type: type === "time" ? "string" : type, nullable: true },
    add: ([p, o, v], x, { partition, offset }) =>
      `if (${p} === null || ${partition} > ${p} || (${partition} === ${p} && ${offset} >= ${o})) {
        ${p} = ${partition};
        ${o} = ${offset};
        ${v} = ${x};
      }`,
    // Structs compare member by member, in order; no two have the same place, so that values are never compared.
    sql(x, filter) {
      const chosen = `max(struct_pack(p := _partition, o := _offset, e := _element, v := ${x}))${filter}`;
      return ["p", "o", "v"].map((member) => `struct_extract(${chosen}, '${member}')`);
    },
    merge(a, i, b, j) {
      const [partition, offset] = [b[j] as number | null, b[j + 1] as number];
      if (partition === null) return;
      const mine = a[i] as number | null;
      if (mine !== null && (partition < mine || (partition === mine && offset <= (a[i + 1] as number))))
        return;
      a[i] = partition;
      a[i + 1] = offset;
      a[i + 2] = b[j + 2] ?? null;
    },
    present(cells, i) {
      const value = cells[i + 2] as number | string | boolean | null;
      return type === "time" ? shownTime(value as number | null) : value;
    },
    ...(type === "time" ? {} : { presentSql: (columns, i) => columns[i + 2] ?? "" }),
  });
}
