import type { DimensionTable } from "../views/dimension-table.ts";
import { TidemarkError } from "../views/errors.ts";
import type { Dimension, View } from "../views/view.ts";

/** What rows can be filtered and grouped by: a dimension, or an attribute of a table that a dimension refers to. */
export type Column = Pick<Dimension, "name" | "type" | "nullable">;

/** `origin.state`: null where the table has no row for the dimension's value. */
export interface AttributeColumn extends Column {
  /** Index of the view's dimension that holds the key. */
  readonly dimension: number;
  readonly table: DimensionTable;
  /** Index in the table's attributes. */
  readonly attribute: number;
}

export function attributesOf({ dimensions, references }: View): readonly AttributeColumn[] {
  return references.flatMap(({ dimension, table }) =>
    table.attributes.map(({ name, type }, attribute) => ({
      name: `${dimensions[dimension]?.name}.${name}`,
      type,
      nullable: true,
      dimension,
      table,
      attribute,
    })),
  );
}

/** Throws TIDEMARK_QUERY_ATTRIBUTE_UNKNOWN if the name begins like an attribute's and is none. */
export function refuseAttribute(view: View, name: string): void {
  const [, dimensionName, attribute] = /^([^.]*)\.(.*)$/s.exec(name) ?? [];
  const index = view.dimensions.findIndex((dimension) => dimension.name === dimensionName);
  if (index === -1) return;
  const reference = view.references.find(({ dimension }) => dimension === index);
  throw new TidemarkError(
    "TIDEMARK_QUERY_ATTRIBUTE_UNKNOWN",
    reference === undefined
      ? `"${name.slice(0, 200)}": dimension "${dimensionName}" of view "${view.name}" refers to no table, so it has no attributes`
      : `dimension "${reference.table.name}", which "${dimensionName}" refers to, has no attribute "${attribute?.slice(0, 100)}"; it has ${reference.table.attributes.map((one) => one.name).join(", ")}`,
  );
}
