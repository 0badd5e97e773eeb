import type { DimensionTable } from "./dimension-table.ts";
import { TidemarkError } from "./errors.ts";
import type { Expression } from "./expression.ts";
import type { By, Dimension } from "./view.ts";

/** A view's dimension whose values are keys of a table. */
export interface Reference {
  /** Index in the view's dimensions. */
  readonly dimension: number;
  readonly table: DimensionTable;
}

/**
 * By dimension of `by`, a table whose key is of the same type. Any table while the compiler does not know `by` yet: it
 * checks what does not depend on the fields first.
 */
export type References<B extends By> = string extends keyof B
  ? Readonly<Record<string, DimensionTable>>
  : {
      readonly [Name in keyof B]?: B[Name] extends Expression<string>
        ? DimensionTable<"string">
        : B[Name] extends Expression<number>
          ? DimensionTable<"integer">
          : never;
    };

/** Throws TIDEMARK_DECLARATION_DIMENSION for a reference from what is no dimension, or is of another type than the key. */
export function readReferences(
  view: string,
  dimensions: readonly Dimension[],
  references: Readonly<Record<string, DimensionTable | undefined>>,
): readonly Reference[] {
  const refuse = (name: string, reason: string) => {
    throw new TidemarkError("TIDEMARK_DECLARATION_DIMENSION", `view "${view}": references.${name} ${reason}`);
  };
  const read = Object.entries(references).flatMap(([name, table]): Reference[] => {
    if (table === undefined) return [];
    const index = dimensions.findIndex((dimension) => dimension.name === name);
    const dimension = dimensions[index];
    if (dimension === undefined) {
      const names = dimensions.map((one) => one.name).join(", ");
      return refuse(name, `is no dimension of the view's rows; there are ${names || "none"}`);
    }
    if (dimension.type !== table.keyType) {
      return refuse(
        name,
        `is of type ${dimension.type}, the key of dimension "${table.name}" is of type ${table.keyType}: make one of the other, with toText() or toInteger()`,
      );
    }
    return [Object.freeze({ dimension: index, table })];
  });
  return Object.freeze(read.sort((a, b) => a.dimension - b.dimension));
}
