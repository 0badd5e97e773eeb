import type { Static, TProperties } from "typebox";
import { current } from "./aggregates/current.ts";
import { operationField } from "./change.ts";
import type { Changes } from "./changes.ts";
import { TidemarkError } from "./errors.ts";
import type { EventType, FieldsOf } from "./event.ts";
import type { Expression, ValueIn } from "./expression.ts";
import { fieldExpressions } from "./expressions/fields.ts";
import type { BooleanExpression, StringExpression } from "./expressions/typed.ts";
import type { DeclaredView, ShownNumber } from "./row-types.ts";
import type { VersionedName } from "./version.ts";
import { defineView } from "./view.ts";

type Column = Expression<string> | Expression<number> | Expression<boolean> | Expression<Date>;

type Shown<T> = T extends number ? ShownNumber : T extends Date ? string | null : T | null;

/** The columns that a table shows where its declaration does not name them: all but those of the key. */
type OwnColumns<Columns extends TProperties, Key extends keyof Columns> = {
  readonly [C in Exclude<keyof Columns, Key>]: Shown<Static<Columns[C]>>;
};

type NamedColumns<Named> = { readonly [C in keyof Named]: Shown<ValueIn<Named[C]>> };

export interface TableDeclaration<
  Columns extends TProperties,
  Key extends keyof Columns & string,
  Named extends Readonly<Record<string, Column>>,
  Name extends string,
  Version extends number,
> {
  readonly name: Name;
  /** As of any view. Default 1. */
  readonly version?: Version;
  /** As of any view. Default false. */
  readonly publish?: boolean;
  readonly from: Changes<Columns, Key>;
  /** What rows show beside their key. Default: every other column that the changes declare. */
  readonly columns?: (fields: FieldsOf<Changes<Columns, Key>>) => Named;
  /** Only rows for which this is true as they are now. */
  readonly where?: (fields: FieldsOf<Changes<Columns, Key>>) => BooleanExpression;
}

/**
 * Declares the present rows of a table as a view of its changes: one by its key, as the last change in the log left it, and none
 * where that was a delete. Throws TIDEMARK_DECLARATION_*.
 */
export function defineTable<
  Columns extends TProperties,
  Key extends keyof Columns & string,
  const Name extends string,
  Named extends Readonly<Record<string, Column>> = never,
  const Version extends number = 1,
>(
  declaration: TableDeclaration<Columns, Key, Named, Name, Version>,
): DeclaredView<
  VersionedName<Name, Version>,
  { readonly [K in Key]: Static<Columns[K]> | null },
  [Named] extends [never] ? OwnColumns<Columns, Key> : NamedColumns<Named>,
  Name
> {
  const { name, version, publish = false, from, columns, where } = declaration;
  const fields = fieldExpressions(`changes "${from.name}"`, from.fields);
  const byName = fields as Readonly<Record<string, Column>>;
  const isDeleted = (byName[operationField] as StringExpression).eq("d");
  const view = defineView({
    name,
    ...(version === undefined ? {} : { version }),
    publish,
    from: from as EventType,
    by: () => pick(byName, from.changes.key) as Readonly<Record<string, Expression<string>>>,
    deleted: () =>
      where === undefined
        ? isDeleted
        : isDeleted.or(
            where(fields as never)
              .coalesce(false)
              .not(),
          ),
    measures: () => {
      const shown = columns?.(fields as never) ?? pick(byName, ownColumns(name, from));
      return Object.fromEntries(Object.entries(shown).map(([column, value]) => [column, current(value)]));
    },
  });
  return view as never;
}

function pick(fields: Readonly<Record<string, Column>>, names: readonly string[]) {
  return Object.fromEntries(names.map((name) => [name, fields[name] as Column]));
}

function ownColumns(table: string, { fields, changes }: EventType): readonly string[] {
  const others = fields.filter(({ name }) => name !== operationField && !changes?.key.includes(name));
  return others.map(({ name, path, within }) => {
    if (within === undefined && path.length === 1) return name;
    const what = within === undefined ? "lies in an object" : "is a list";
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_VIEW",
      `table "${table}": "${name}" ${what}, which is no column to show: name those that are, as in columns: (f) => ({ … })`,
    );
  });
}
