import type { TObject } from "typebox";
import type { Offset } from "./cut.ts";
import type { EventType } from "./event.ts";
import { type Field, readSchema } from "./field.ts";
import type { ObjectShape } from "./shape.ts";

/** A schema as it is written down: a TypeBox schema is JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** An event type as a data folder knows it: what may not change, its schema, and those that it had before. */
export interface RecordedType {
  readonly name: string;
  readonly partitions: number;
  readonly duplicatesWithin: number;
  /** The field that chooses the partition, of changes the row's key, in braces; null: the event's id does. */
  readonly key: string | null;
  /** How long facts are kept; absent: for ever. */
  readonly keep?: string;
  readonly schema: JsonSchema;
  /** Oldest first. */
  readonly former: readonly RecordedSchema[];
  /** By partition, the first offset whose record is encrypted; undefined where none is. */
  readonly encryptedFrom?: readonly Offset[];
}

export interface RecordedSchema {
  readonly schema: JsonSchema;
  /** By partition, the first offset whose record is not judged by this schema any more. */
  readonly next: readonly Offset[];
}

/** A former schema of an event type, ready to decode by. */
export interface FormerSchema {
  readonly schema: TObject;
  readonly shape: ObjectShape;
  readonly fields: readonly Field[];
  readonly next: readonly Offset[];
}

/** The type as it is declared, to be written down. */
export function recordType(
  type: EventType,
  former: readonly RecordedSchema[] = [],
  encryptedFrom?: readonly Offset[],
): RecordedType {
  const { name, partitions, duplicatesWithin, keyField, changes, keep, schema } = type;
  const key = changes === undefined ? (keyField?.name ?? null) : `{${changes.key.join(",")}}`;
  return {
    ...{ name, partitions, duplicatesWithin, key, ...(keep !== null && { keep }) },
    ...{ schema: JSON.parse(JSON.stringify(schema)), former },
    ...(encryptedFrom && { encryptedFrom }),
  };
}

/** The declared type with the former schemas that its records were written under. */
export function withFormer(type: EventType, { former }: RecordedType): EventType {
  if (former.length === 0) return type;
  return Object.freeze({
    ...type,
    former: Object.freeze(former.map((schema) => formerSchema(type, schema))),
  });
}

function formerSchema({ name }: EventType, { schema, next }: RecordedSchema): FormerSchema {
  const former = schema as unknown as TObject;
  return Object.freeze({ schema: former, ...readSchema(`former "${name}"`, former), next });
}
