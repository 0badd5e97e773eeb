import type { Static, TObject, TProperties } from "typebox";
import { type Aggregate, defineAggregate } from "./aggregate.ts";
import { current } from "./aggregates/current.ts";
import { latest } from "./aggregates/latest.ts";
import { TidemarkError } from "./errors.ts";
import type { EventType, FieldsOf } from "./event.ts";
import type { Expression, Node, Scalar } from "./expression.ts";
import { fieldExpressions } from "./expressions/fields.ts";
import { type BooleanExpression, type StringExpression, typed } from "./expressions/typed.ts";
import { type Field, type FieldType, readSchema } from "./field.ts";
import { packRow, unpackRow } from "./packed-row.ts";
import type { Cell } from "./state.ts";
import { defineView, type View } from "./view.ts";

/** What rows of a dimension table are found by. */
export type KeyType = "string" | "integer";

/** A column that rows of a view can be filtered and grouped by, through the key that they hold. */
export interface Attribute {
  readonly name: string;
  readonly type: "string" | "integer" | "boolean";
  /** Whether a row may be without it. */
  readonly optional: boolean;
}

interface Table<K extends KeyType> {
  readonly name: string;
  readonly keyType: K;
  readonly attributes: readonly Attribute[];
}

/** A table that is read from a file when the app starts. */
export interface FileTable<K extends KeyType = KeyType> extends Table<K> {
  readonly kind: "file";
  readonly file: string | URL;
  readonly format: FileFormat;
  /** The file's column that holds the key. */
  readonly keyColumn: string;
}

/** A table of the latest event of each key, which both layers keep as a view. */
export interface EventTable<K extends KeyType = KeyType> extends Table<K> {
  readonly kind: "events";
  /** Has the key as its only dimension. */
  readonly view: View;
  /** The attributes' values in a state of the view, in their order; undefined: there is no such row, or it was deleted. */
  rowOf(cells: readonly Cell[]): readonly Scalar[] | undefined;
}

export type DimensionTable<K extends KeyType = KeyType> = FileTable<K> | EventTable<K>;

export type FileFormat = "csv" | "ndjson" | "parquet";

const formats: Readonly<Record<string, FileFormat>> = {
  ".csv": "csv",
  ".ndjson": "ndjson",
  ".jsonl": "ndjson",
  ".parquet": "parquet",
};

export interface FileTableDeclaration<K extends string, P extends TProperties> {
  readonly name: string;
  /** `.csv`, `.ndjson`, `.jsonl` or `.parquet`. A relative path begins at the folder of the app's file. */
  readonly file: string | URL;
  /** The column that holds the key: text, unless `attributes` says what it is. */
  readonly key: K;
  /** Columns of the file by name. An optional one may be empty. */
  readonly attributes: TObject<P>;
}

type FileKey<K extends string, P extends TProperties> = K extends keyof P
  ? Static<P[K]> extends number
    ? "integer"
    : "string"
  : "string";

type KeyExpression = Expression<string> | Expression<number>;
type AttributeExpression = Expression<string> | Expression<number> | Expression<boolean>;

export interface EventTableDeclaration<E extends EventType, K extends KeyExpression> {
  readonly name: string;
  readonly from: E;
  /** What the event is about. Events without a key are passed over. */
  readonly key: (fields: FieldsOf<E>) => K;
  /** What a row holds: all of it as the latest event has it, nulls included. */
  readonly attributes: (fields: FieldsOf<E>) => Readonly<Record<string, AttributeExpression>>;
  /** Events that end their key's row, until a later one. */
  readonly deleted?: (fields: FieldsOf<E>) => BooleanExpression;
  /** Only events for which this is true count. */
  readonly where?: (fields: FieldsOf<E>) => BooleanExpression;
}

/**
 * Declares a dimension table: attributes by key, from a file or from events. Views refer to it by `references`. Throws
 * TIDEMARK_DECLARATION_* for what is not supported.
 */
export function defineDimension<const K extends string, P extends TProperties>(
  declaration: FileTableDeclaration<K, P>,
): FileTable<FileKey<K, P>>;
export function defineDimension<E extends EventType, K extends KeyExpression>(
  declaration: EventTableDeclaration<E, K>,
): EventTable<K extends Expression<number> ? "integer" : "string">;
export function defineDimension(
  declaration: FileTableDeclaration<string, TProperties> | EventTableDeclaration<EventType, KeyExpression>,
): DimensionTable {
  if (!/^[a-z][a-z0-9-]{0,99}$/.test(declaration.name)) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_NAME",
      `dimension "${declaration.name}" must be named in lower-case letters, digits and "-", e.g. "airports"`,
    );
  }
  return "from" in declaration ? eventTable(declaration) : fileTable(declaration);
}

function fileTable(declaration: FileTableDeclaration<string, TProperties>): FileTable {
  const { name, file, key, attributes } = declaration;
  const path = typeof file === "string" ? file : file.pathname;
  const format = formats[/\.[a-z]+$/.exec(path)?.[0] ?? ""];
  if (format === undefined || (typeof file !== "string" && file.protocol !== "file:")) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_DIMENSION",
      `dimension "${name}": "${String(file)}" is no file that can be read: name one that ends in ${Object.keys(formats).join(", ")}`,
    );
  }
  const { fields } = readSchema(`dimension "${name}"`, attributes);
  const keyType = fields.find((field) => field.name === key)?.type ?? "string";
  return Object.freeze({
    kind: "file",
    name,
    file,
    format,
    keyColumn: key,
    keyType: requireKeyType(name, keyType),
    attributes: readAttributes(name, fields),
  });
}

function eventTable(declaration: EventTableDeclaration<EventType, KeyExpression>): EventTable {
  const { name, from } = declaration;
  const fields = fieldExpressions(`event type "${from.name}"`, from.fields) as FieldsOf<EventType>;
  const key = declaration.key(fields).node;
  const keyType = requireKeyType(name, key.type);
  const nodes = Object.entries(declaration.attributes(fields)).map(([column, { node }]) => ({
    column,
    node,
  }));
  const attributes = readAttributes(
    name,
    nodes.map(({ column, node: { type, nullable } }) => ({ name: column, type, optional: nullable })),
  );
  if (attributes.some((attribute) => attribute.name === existsName)) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_NAME",
      `dimension "${name}": "${existsName}" can't name an attribute: the table's view shows under it whether there is a row`,
    );
  }
  const types = attributes.map(({ type }) => type);
  // Changes of a table have the order of the log, which their source has made.
  const row = (from.changes === undefined ? latest : current)(
    packRow(
      nodes.map(({ node }) => node),
      declaration.deleted?.(fields),
    ),
  );
  // The first measure, so that its cells are the view's first.
  const packed = row.state.findIndex((column) => column.name === "value");
  const rowOf = (cells: readonly Cell[]) => unpackRow(types, cells[packed] as string | null);
  return Object.freeze({
    kind: "events",
    name,
    keyType,
    attributes,
    view: defineView({
      name,
      from,
      by: () => ({ [keyName]: typed(key) as StringExpression }),
      where: () => isCounted(key, declaration.where?.(fields)),
      measures: () => ({
        [existsName]: {
          ...row,
          value: { type: "boolean", nullable: false },
          present: (cells) => rowOf(cells) !== undefined,
        } satisfies Aggregate,
        ...Object.fromEntries(
          types.map((type, i) => [
            nodes[i]?.column,
            shownOf(row, type, (cells) => rowOf(cells)?.[i] ?? null),
          ]),
        ),
      }),
    }),
    rowOf,
  });
}

const keyName = "key";
const existsName = "exists";

function isCounted(key: Node, where: BooleanExpression | undefined): BooleanExpression {
  const isKnown = typed(key).isNotNull();
  return where === undefined ? isKnown : isKnown.and(where);
}

/** One attribute as a measure without state: its value is in the state of the row. */
function shownOf(
  row: Aggregate,
  type: Attribute["type"],
  present: (cells: readonly Cell[]) => Scalar,
): Aggregate {
  return defineAggregate({
    kind: row.kind,
    input: undefined,
    where: undefined,
    state: [],
    value: { type, nullable: true },
    add: () => "",
    sql: () => [],
    merge: () => undefined,
    present,
  });
}

function requireKeyType(table: string, type: FieldType): KeyType {
  if (type === "string" || type === "integer") return type;
  throw new TidemarkError(
    "TIDEMARK_DECLARATION_TYPE",
    `dimension "${table}": the key is a ${type}; rows can be found by a string or an integer`,
  );
}

function readAttributes(
  table: string,
  fields: readonly Pick<Field, "name" | "type" | "optional" | "within">[],
): readonly Attribute[] {
  if (fields.length === 0) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_DIMENSION",
      `dimension "${table}" has no attributes: give at least one`,
    );
  }
  return Object.freeze(
    fields.map(({ name, type, optional, within }) => {
      if (!/^[A-Za-z][A-Za-z0-9_]{0,99}$/.test(name)) {
        throw new TidemarkError(
          "TIDEMARK_DECLARATION_NAME",
          `dimension "${table}": "${name}" can't name an attribute: use letters, digits and "_"`,
        );
      }
      if (type === "number" || type === "time" || within !== undefined) {
        const what = within !== undefined ? "list" : type === "number" ? "float" : "time";
        throw new TidemarkError(
          "TIDEMARK_DECLARATION_TYPE",
          `dimension "${table}": attribute "${name}" is a ${what}; rows can be told apart by strings, integers and booleans`,
        );
      }
      return Object.freeze({ name, type, optional });
    }),
  );
}
