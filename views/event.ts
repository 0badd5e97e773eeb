import type { Static, TObject, TProperties } from "typebox";
import { type ChangeForm, changedKey } from "./change.ts";
import type { Elements } from "./elements.ts";
import { TidemarkError } from "./errors.ts";
import type { Expression } from "./expression.ts";
import { type Fields, type FieldsIn, fieldExpressions } from "./expressions/fields.ts";
import { type Field, readSchema, valueAt } from "./field.ts";
import type { FormerSchema } from "./recorded-type.ts";
import { parseKeep } from "./retention.ts";
import type { ObjectShape } from "./shape.ts";
import { parseDuration } from "./time.ts";

/**
 * A decoded event: an immutable fact. `time` is milliseconds since the epoch; `data` satisfies its type's schema,
 * but that its times are milliseconds, too.
 */
export interface Event {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time: number;
  /** Chooses the partition, so that duplicates of an event always meet. */
  readonly key: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The declaration of an event type; `name` is also the topic. */
export interface EventType<Properties extends TProperties = TProperties> {
  readonly kind: "event";
  readonly name: string;
  readonly schema: TObject<Properties>;
  readonly shape: ObjectShape;
  /** Every value in it, those of objects in it too. */
  readonly fields: readonly Field[];
  /** The field that chooses the partition; undefined: the event's id does. */
  readonly keyField: Field | undefined;
  /** Set if its events are changes of a table's rows, and how they are read; the row's key then chooses the partition. */
  readonly changes: ChangeForm | undefined;
  readonly partitions: number;
  /** N of the duplicate rule: how many records before it a record's (source, id) is looked for in. */
  readonly duplicatesWithin: number;
  /** Whether the log holds each event encrypted with a key of its subject: of the event's key. */
  readonly encrypted: boolean;
  /** How long its facts are kept; null: for ever. */
  readonly keep: string | null;
  /** How Kafka keeps them. */
  readonly topic: TopicOptions;
  /** What the schema was for records that were written earlier, as a data folder knows it; oldest first. */
  readonly former: readonly FormerSchema[];
}

export type DataOf<E extends EventType> = Static<E["schema"]>;

/** The fields that a view's declaration is given: those of the event, and under `item` those of the list's element. */
export type FieldsOf<E extends EventType | Elements> =
  E extends Elements<infer Of, infer T>
    ? Fields<DataOf<Of>> & { readonly item: FieldsIn<T> }
    : E extends EventType
      ? Fields<DataOf<E>>
      : never;

export interface EventDeclaration<Properties extends TProperties> {
  /** `<domain>.<model>.<event type>`, e.g. `aviation.flight.landed`; also the topic's name. */
  readonly name: string;
  readonly schema: TObject<Properties>;
  /** Partition key. Events with the same key keep their order. Default: the event's id. */
  readonly key?: (fields: Fields<Static<TObject<Properties>>>) => Expression<string> | Expression<number>;
  /** Fixed for ever: key → partition must not move. Default 4. */
  readonly partitions?: number;
  /** Default 65,536 records per partition: about 10 MB of memory in each layer. */
  readonly duplicatesWithin?: number;
  /**
   * The log holds each event encrypted, with a key for each `key` that an erasure destroys, so that the log need not be
   * trimmed. Once declared for good. Default false.
   */
  readonly encrypted?: boolean;
  /**
   * How long facts are kept from their event time on, a day at least, e.g. "400d"; default null, for ever. Batch runs in
   * full let go of what is older. It may change; what has left does not come back.
   */
  readonly keep?: string | null;
  readonly topic?: TopicOptions;
}

/** What `tidemark topics apply` gives the event type's topic in Kafka. It may change, and means nothing to any answer. */
export interface TopicOptions {
  /** Copies of each partition. Default: 3, or as many as there are brokers. */
  readonly replication?: number;
  /** How many of the copies must have an event before it is acknowledged. Default: one less than there are, and at least 1. */
  readonly minInsyncReplicas?: number;
  /** How long Kafka keeps events, e.g. "7d", which is the default: much longer than it takes to archive them; null for ever. */
  readonly retention?: string | null;
  /** Default "none". */
  readonly compression?: "none" | "gzip";
}

const namePattern = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*){2,}$/;
/** Names of tables have "_" in them. */
const tableNamePattern = /^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*){2,}$/;

/** Declares an event type. Throws TIDEMARK_DECLARATION_* for what could not be kept or computed with later. */
export function defineEvent<Properties extends TProperties>(
  declaration: EventDeclaration<Properties>,
): EventType<Properties> {
  return eventType(declaration);
}

/** An event type; with a form, of changes. */
export function eventType<Properties extends TProperties>(
  declaration: EventDeclaration<Properties>,
  changes?: ChangeForm,
): EventType<Properties> {
  const { name, schema, partitions = 4, duplicatesWithin = 65_536, keep = null, topic = {} } = declaration;
  const { encrypted = false } = declaration;
  const pattern = changes === undefined ? namePattern : tableNamePattern;
  if (!pattern.test(name) || name.length > 200) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_NAME",
      changes === undefined
        ? `event type "${name}" must be named <domain>.<model>.<event type> in lower case, e.g. "aviation.flight.landed"`
        : `changes "${name}" must be named <source>.<schema>.<table> in lower case as their topic is, e.g. "shop.public.orders"`,
    );
  }
  requireWhole(name, "partitions", partitions, 1, 1024);
  requireWhole(name, "duplicatesWithin", duplicatesWithin, 0, 10_000_000);
  requireKeep(name, keep, encrypted);
  requireTopicOptions(name, topic);
  const owner = `event type "${name}"`;
  const { shape, fields } = readSchema(owner, schema);
  const key = declaration.key?.(fieldExpressions(owner, fields));
  if (encrypted && key === undefined) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_FIELD",
      `${owner}: encrypted events have a key for each subject: say by \`key\` which field names the person`,
    );
  }
  return Object.freeze({
    kind: "event",
    name,
    schema,
    shape,
    fields,
    keyField: key === undefined ? undefined : keyFieldOf(owner, fields, key),
    changes,
    partitions,
    duplicatesWithin,
    encrypted,
    keep,
    topic: Object.freeze({ ...topic }),
    former: Object.freeze([]),
  });
}

/**
 * The partition key in what may be an event of the type, or be wrong in any way; undefined where there is none. Of an event it is
 * its key.
 */
export function keyIn(type: Pick<EventType, "keyField" | "changes">, envelope: unknown): string | undefined {
  if (typeof envelope !== "object" || envelope === null) return undefined;
  const { partitionkey, id, data } = envelope as Readonly<Record<string, unknown>>;
  const { keyField, changes } = type;
  const declared = () => {
    // A change may stand by itself, as Debezium's records are.
    if (changes !== undefined) return changedKey(changes, data ?? envelope);
    return keyField === undefined ? id : valueIn(data, keyField.path);
  };
  const value = partitionkey ?? declared();
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

function valueIn(data: unknown, path: readonly string[]): unknown {
  return typeof data === "object" && data !== null ? valueAt(data, path) : undefined;
}

function keyFieldOf(owner: string, fields: readonly Field[], key: Expression<unknown>): Field {
  const { node } = key;
  const field = node.kind === "field" ? fields.find((candidate) => candidate.name === node.name) : undefined;
  if (field === undefined || field.optional || (field.type !== "string" && field.type !== "integer")) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_FIELD",
      `${owner}: key must be a required string or integer field`,
    );
  }
  return field;
}

function requireKeep(owner: string, keep: string | null, encrypted: boolean): void {
  if (keep !== null && encrypted) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_TYPE",
      `event type "${owner}": encrypted: true is for a log that keeps every record, and keep: ${JSON.stringify(keep)} has it let go of them: leave out one of the two`,
    );
  }
  if (keep === null || parseKeep(keep) !== undefined) return;
  throw new TidemarkError(
    "TIDEMARK_DECLARATION_TYPE",
    `event type "${owner}": keep must be a length of time of a day at least, such as "400d", not ${JSON.stringify(keep)}; null keeps facts for ever`,
  );
}

function requireTopicOptions(owner: string, topic: TopicOptions): void {
  const { replication, minInsyncReplicas, retention, compression } = topic;
  if (replication !== undefined) requireWhole(owner, "topic.replication", replication, 1, 100);
  if (minInsyncReplicas !== undefined)
    requireWhole(owner, "topic.minInsyncReplicas", minInsyncReplicas, 1, replication ?? 100);
  const refuse = (what: string) => {
    throw new TidemarkError("TIDEMARK_DECLARATION_TYPE", `event type "${owner}": ${what}`);
  };
  if (typeof retention === "string" && parseDuration(retention) === undefined)
    refuse(
      `topic.retention must be a length of time such as "7d" or "36h", or null for ever, not "${retention}"`,
    );
  if (compression !== undefined && compression !== "none" && compression !== "gzip")
    refuse(`topic.compression must be "none" or "gzip", not "${compression}"`);
}

function requireWhole(owner: string, what: string, value: number, from: number, to: number): void {
  if (!Number.isInteger(value) || value < from || value > to) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_TYPE",
      `event type "${owner}": ${what} must be a whole number from ${from} to ${to}, not ${value}`,
    );
  }
}
