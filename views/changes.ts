import type { TObject, TOptional, TProperties, TString } from "typebox";
import { type ChangeForm, operationField } from "./change.ts";
import { TidemarkError } from "./errors.ts";
import { type EventType, eventType, type TopicOptions } from "./event.ts";
import { requiredColumns, Type } from "./schema.ts";

/** What events of changes hold: what was done, and the row; of a deleted row only its key. */
export type ChangeProperties<Columns extends TProperties, Key extends keyof Columns> = {
  readonly [C in keyof Columns]: C extends Key ? Columns[C] : TOptional<Columns[C]>;
} & { readonly [operationField]: TString };

/** An event type whose events are changes of a table's rows. */
export interface Changes<
  Columns extends TProperties = TProperties,
  Key extends keyof Columns & string = keyof Columns & string,
> extends EventType<ChangeProperties<Columns, Key>> {
  readonly changes: ChangeForm & { readonly key: readonly Key[] };
}

export interface ChangesDeclaration<Columns extends TProperties, Key extends keyof Columns & string> {
  /** The topic that Debezium puts the table's changes into: `<topic.prefix>.<schema>.<table>`. */
  readonly name: string;
  /** The columns that are looked at, by name. One that can be null is optional; one that is not named is kept, and not seen. */
  readonly row: TObject<Columns>;
  /** The columns of the table's key, in its order: texts or integers, none of them optional. */
  readonly key: readonly [Key, ...Key[]];
  /** Those of the topic; all changes of a row lie in one. Fixed for ever. Default 4. */
  readonly partitions?: number;
  readonly duplicatesWithin?: number;
  /** As of other event types; a change's time is when the source committed it. */
  readonly keep?: string | null;
  readonly topic?: TopicOptions;
}

/**
 * Declares the changes of a database's table as events: Debezium's envelopes, from Kafka or by HTTP. A field of an event is a
 * column as the change left it, `__op` says what was done. Throws TIDEMARK_DECLARATION_*.
 */
export function defineChanges<Columns extends TProperties, Key extends keyof Columns & string>(
  declaration: ChangesDeclaration<Columns, Key>,
): Changes<Columns, Key> {
  const { name, row, key, ...others } = declaration;
  const fail = (reason: string): never => {
    throw new TidemarkError("TIDEMARK_DECLARATION_FIELD", `changes "${name}": ${reason}`);
  };
  if (key.length === 0) fail("a row is known by its key: name the columns of the table's key");
  if (new Set(key).size < key.length) fail(`the key names a column twice: ${key.join(", ")}`);
  if (Object.hasOwn(row.properties, operationField))
    fail(`"${operationField}" can't name a column: it says what was done to the row`);
  const required = new Set(row.required as readonly string[] | undefined);
  const columns = Object.entries(row.properties).map(([column, schema]) => [
    column,
    required.has(column) && !(key as readonly string[]).includes(column) ? Type.Optional(schema) : schema,
  ]);
  const schema = Type.Object(
    { ...Object.fromEntries(columns), [operationField]: Type.String() },
    { [requiredColumns]: [...required] },
  ) as TObject<ChangeProperties<Columns, Key>>;
  const changes = Object.freeze({ key: Object.freeze([...key]) });
  const type = eventType({ ...others, name, schema }, changes);
  for (const column of key) {
    const field = type.fields.find((candidate) => candidate.name === column);
    if (field === undefined) fail(`the key names "${column}", which is no column of the row`);
    else if (field.optional || (field.type !== "string" && field.type !== "integer"))
      fail(`"${column}" is of the key, and so must be a required string or integer`);
  }
  return type as Changes<Columns, Key>;
}
