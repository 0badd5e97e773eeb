import { type Aggregate, defineAggregate } from "./aggregate.ts";
import type { Node } from "./expression.ts";
import type { Cell } from "./state.ts";
import { shownTime } from "./time.ts";

/**
 * The input of one record: the one that comes last (`latest`) or first (`earliest`) by event time, then partition, then
 * offset. No two records have the same place, so both layers choose the same one, whatever the order they meet them in.
 * Of the elements of one record it is the last, or the first; they meet in one state only, in their order.
 */
export function chooseByEventTime(
  kind: "latest" | "earliest",
  input: Node,
  where: Node | undefined,
): Aggregate {
  const { type } = input;
  const isLatest = kind === "latest";
  const beyond = isLatest ? ">" : "<";
  return defineAggregate({
    kind,
    input,
    where,
    state: [
      { name: "time", type: "integer", zero: null },
      { name: "partition", type: "integer", zero: null },
      { name: "offset", type: "integer", zero: null },
      { name: "value", type: type === "number" ? "float" : type === "time" ? "integer" : type, zero: null },
    ],
    value: { type: type === "time" ? "string" : type, nullable: true },
    add: ([t, p, o, v], x, { time, partition, offset }) =>
      `if (${t} === null || ${time} ${beyond} ${t} || (${time} === ${t} &&
        (${partition} ${beyond} ${p} || (${partition} === ${p} && ${offset} ${isLatest ? ">=" : "<"} ${o})))) {
        ${t} = ${time};
        ${p} = ${partition};
        ${o} = ${offset};
        ${v} = ${x};
      }`,
    // Structs compare member by member, in order.
    sql(x, filter) {
      const place = "t := epoch_ms(_event_time), p := _partition, o := _offset, e := _element";
      const record = `CASE WHEN ${x} IS NOT NULL THEN struct_pack(${place}, v := ${x}) END`;
      const chosen = `${isLatest ? "max" : "min"}(${record})${filter}`;
      return ["t", "p", "o", "v"].map((member) => `struct_extract(${chosen}, '${member}')`);
    },
    merge(a, i, b, j) {
      if (b[j] === null || (a[i] !== null && !isBeyond(isLatest, b, j, a, i))) return;
      for (let c = 0; c < 4; c++) a[i + c] = b[j + c] as Cell;
    },
    present(cells, i) {
      const value = cells[i + 3] as number | string | boolean | null;
      return type === "time" ? shownTime(value as number | null) : value;
    },
    ...(type === "time" ? {} : { presentSql: (columns, i) => columns[i + 3] ?? "" }),
  });
}

function isBeyond(isLatest: boolean, a: readonly Cell[], i: number, b: readonly Cell[], j: number): boolean {
  for (let c = 0; c < 3; c++) {
    const difference = (a[i + c] as number) - (b[j + c] as number);
    if (difference !== 0) return isLatest ? difference > 0 : difference < 0;
  }
  return false;
}
