import type { Measure } from "../views/aggregate.ts";
import { type Node, nodeToSql, quoteIdentifier, type SqlParameters, sqlType } from "../views/expression.ts";
import type { FieldType } from "../views/field.ts";
import type { Mapping } from "../views/mapping.ts";
import type { View } from "../views/view.ts";

/**
 * Records of several event types as rows of one shape: by column what a record's dimensions are and, for every measure,
 * its input and whether it is added at all. What is grouped is then one table, whatever the aggregates are.
 *
 * `_partition` numbers the partitions of all topics through, as `view.partitions` does: no two records have the same place.
 */

const dimensionColumn = (name: string) => `_by.${name}`;
const inputColumn = (measure: string) => `_in.${measure}`;
const conditionColumn = (measure: string) => `_if.${measure}`;

/** What is grouped of the mapped rows: the view's dimensions and measures, over their columns. */
export function ofMappedRows(view: View): Omit<Mapping, "event" | "list"> {
  return {
    where: undefined,
    dimensions: view.dimensions.map((dimension) => ({
      ...dimension,
      node: columnNode(dimensionColumn(dimension.name), dimension.type),
    })),
    measures: statedIn(view).map(({ name, aggregate, firstCell }) => {
      const { input } = aggregate;
      return {
        name,
        firstCell,
        aggregate: {
          ...aggregate,
          input: input && columnNode(inputColumn(name), input.type),
          where: columnNode(conditionColumn(name), "boolean"),
        },
      };
    }),
  };
}

/** One event type's records, mapped; `records` is SQL of them. All mappings of a view give the same columns. */
export function mappedRowsToSql(
  view: View,
  mapping: Mapping,
  records: string,
  parameters: SqlParameters,
): string {
  const firstPartition = view.partitions.findIndex((each) => each.mapping === mapping);
  const columns = [
    "_event_time",
    `_partition + ${firstPartition} AS _partition`,
    ...["_offset", "_element", "_duplicate"],
    ...mapping.dimensions.map(({ name, type, node }) =>
      column(nodeToSql(node, parameters), type, dimensionColumn(name)),
    ),
    ...statedIn(view).flatMap(({ name, aggregate: { input } }) => {
      const own = (mapping.inSession ?? mapping.measures).find((measure) => measure.name === name)?.aggregate;
      const condition = own === undefined ? "false" : own.where && nodeToSql(own.where, parameters);
      const value = own?.input === undefined ? "NULL" : nodeToSql(own.input, parameters);
      return [
        ...(input === undefined ? [] : [column(value, input.type, inputColumn(name))]),
        column(condition ?? "true", "boolean", conditionColumn(name)),
      ];
    }),
  ];
  const where = mapping.where === undefined ? "" : ` WHERE ${nodeToSql(mapping.where, parameters)}`;
  return `SELECT ${columns.join(", ")} FROM (${records})${where}`;
}

/** The measures over records that have a state: not what is derived from others. */
function statedIn(view: View): readonly Measure[] {
  return (view.sessions ?? view).measures.filter(({ aggregate }) => aggregate.state.length > 0);
}

/** A time is its milliseconds already. */
function columnNode(name: string, type: FieldType): Node {
  return { kind: "field", name, type: type === "time" ? "integer" : type, nullable: true };
}

function column(sql: string, type: FieldType, name: string): string {
  return `CAST(${sql} AS ${sqlType(type)}) AS ${quoteIdentifier(name)}`;
}
