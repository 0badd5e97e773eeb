import { type DuckDBConnection, DuckDBListValue, type DuckDBValue, listValue } from "@duckdb/node-api";
import { quoteIdentifier } from "../../views/expression.ts";
import type { Field } from "../../views/field.ts";
import type { ObjectShape, Shape } from "../../views/shape.ts";

/** SQL of a field's column whose values are those of an event's data: times as milliseconds, every number a double. */
export function fieldToSql({ name, type, within }: Field): string {
  const shown = (value: string) => {
    if (type === "time") return `CAST(epoch_ms(${value}) AS DOUBLE)`;
    // Of a field that was an integer once, the columns of old files are whole numbers.
    return type === "integer" || type === "number" ? `CAST(${value} AS DOUBLE)` : value;
  };
  const column = quoteIdentifier(name);
  return within === undefined ? shown(column) : `list_transform(${column}, lambda it: ${shown("it")})`;
}

export function columnValue(value: DuckDBValue | undefined): unknown {
  return value instanceof DuckDBListValue ? value.items : value;
}

/** Reads what stands in row `i` of columns. */
export type Read = (i: number) => unknown;

/** The values of a column by its name; undefined where there is no such column. */
export type Columns = (name: string) => readonly unknown[] | undefined;

/** Reads the data of events from columns that are named as the shape's fields are. What is null is left out. */
export function dataReader(shape: ObjectShape, columns: Columns, prefix = ""): (i: number) => EventData {
  const members = shape.members.map((member) => ({
    name: member.name,
    // That an optional object was there is told by nothing but what was in it.
    canBeNothing: member.optional && member.shape.kind === "object",
    read: reader(member.shape, columns, prefix + member.name),
  }));
  return (i) => {
    const data: Record<string, unknown> = {};
    for (const { name, canBeNothing, read } of members) {
      const value = read(i);
      if (value === undefined || (canBeNothing && Object.keys(value as EventData).length === 0)) continue;
      data[name] = value;
    }
    return data;
  };
}

type EventData = Readonly<Record<string, unknown>>;

function reader(shape: Shape, columns: Columns, name: string): Read {
  switch (shape.kind) {
    case "object":
      return dataReader(shape, columns, `${name}.`);
    case "list": {
      const { element } = shape;
      if (element.kind === "value") return valueReader(columns(name));
      return listReader(element, columns, name);
    }
    case "value":
      return valueReader(columns(name));
  }
}

function valueReader(values: readonly unknown[] = []): Read {
  return (i) => values[i] ?? undefined;
}

/** The lists of one record are of one length, but for those of fields that were declared later, which may be null. */
function listReader(element: ObjectShape, columns: Columns, name: string): Read {
  const lists = new Map(leavesOf(element, `${name}.`).map((leaf) => [leaf, columns(leaf) ?? []]));
  return (i) => {
    const items: Columns = (leaf) => (lists.get(leaf)?.[i] ?? undefined) as readonly unknown[] | undefined;
    const counted = [...lists.keys()].map(items).find((list) => list !== undefined);
    if (counted === undefined) return undefined;
    const read = dataReader(element, items, `${name}.`);
    return counted.map((_, at) => read(at));
  };
}

function leavesOf({ members }: ObjectShape, prefix: string): readonly string[] {
  return members.flatMap(({ name, shape }) =>
    shape.kind === "object" ? leavesOf(shape, `${prefix}${name}.`) : [prefix + name],
  );
}

/** What the columns take up in Parquet files, compressed; those that a file lacks take nothing. */
export async function columnBytes(
  connection: DuckDBConnection,
  paths: readonly string[],
  names: ReadonlySet<string>,
): Promise<number> {
  if (paths.length === 0) return 0;
  // A list's path in the file goes on behind its name: `items.sku, list, element`.
  const result = await connection.runAndReadAll(
    "SELECT split_part(path_in_schema, ', ', 1), CAST(sum(total_compressed_size) AS DOUBLE) FROM parquet_metadata($1) GROUP BY 1",
    [listValue([...paths])],
  );
  let bytes = 0;
  for (const [name, size] of result.getRows()) if (names.has(String(name))) bytes += Number(size);
  return bytes;
}
