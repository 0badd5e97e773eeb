import type { Data } from "./data.ts";
import { TidemarkError } from "./errors.ts";
import type { EventType } from "./event.ts";
import { requiredColumns } from "./schema.ts";
import { formatTime, maxTime } from "./time.ts";

/** How events of a type are read that are changes of a table's rows. */
export interface ChangeForm {
  /** The columns of the table's key, in its order. */
  readonly key: readonly string[];
}

/** The field that says what was done to the row: `c`, `u` or `d`, or `r` for a row that a snapshot read. */
export const operationField = "__op";

type Json = Readonly<Record<string, unknown>>;

/**
 * The row of a change as Debezium's JSON converter writes it, with or without `{"schema", "payload"}` around it
 * (https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-events): columns that are null are
 * left out, and of a deleted row there is only its key. Throws TIDEMARK_EVENT_DATA, which names
 * the column, and TIDEMARK_CHANGE_TRUNCATE.
 */
export function changedRow({ name, schema }: EventType, { key }: ChangeForm, change: unknown): Data {
  const payload = payloadOf(change);
  const { op, before } = payload ?? {};
  switch (op) {
    case "c":
    case "u":
    case "r":
      return { ...rowAfter(name, requiredIn(schema), payload ?? {}), [operationField]: op };
    case "d":
      return { ...keyBefore(name, key, before), [operationField]: op };
    case "t":
      throw new TidemarkError(
        "TIDEMARK_CHANGE_TRUNCATE",
        `table ${name} was truncated, which says of no row that it is gone: delete the rows instead, or have the source send a delete for each`,
      );
    default:
      throw refused(
        name,
        op === undefined
          ? `it must be a change {"op", "before", "after", "source", "ts_ms"} as Debezium writes it`
          : `"op" is ${JSON.stringify(op).slice(0, 40)}; a change of a row is "c", "u", "d" or "r"`,
      );
  }
}

/** What a change says of its own envelope, as far as it does. */
export interface ChangeAttributes {
  /** Of the source's position and the row, so that one change is one event however often it is delivered. */
  readonly id?: string;
  readonly source?: string;
  /** When the source committed it. */
  readonly time?: string;
}

export function changeAttributes({ key }: ChangeForm, change: unknown): ChangeAttributes {
  const payload = payloadOf(change);
  if (payload === undefined) return {};
  const source = objectOf(payload.source) ?? {};
  const position = positionOf(source);
  const row = objectOf(payload.after) ?? objectOf(payload.before) ?? {};
  const time = timeOf(source.ts_ms) ?? timeOf(payload.ts_ms);
  const { connector, name } = source;
  return {
    ...(position !== undefined && { id: `${position}/${String(payload.op)}/${rowKey(key, row)}` }),
    ...(typeof connector === "string" &&
      typeof name === "string" && { source: `/debezium/${connector}/${name}` }),
    ...(time !== undefined && { time }),
  };
}

/** The key of the row that a change is of; undefined where it does not say one. */
export function changedKey({ key }: ChangeForm, change: unknown): string | undefined {
  const payload = payloadOf(change);
  const row = objectOf(payload?.after) ?? objectOf(payload?.before);
  const isSaid = key.every((column) => (row?.[column] ?? null) !== null);
  return row !== undefined && isSaid ? rowKey(key, row) : undefined;
}

/** The topic that Debezium puts changes of this table into; undefined for what is no change. */
export function changedTable(value: unknown): string | undefined {
  const payload = payloadOf(value);
  const source = objectOf(payload?.source);
  if (payload === undefined || typeof payload.op !== "string" || source === undefined) return undefined;
  const { connector, name, db, schema, table } = source;
  const within =
    connector === "mysql" || connector === "mariadb"
      ? [db]
      : connector === "sqlserver"
        ? [db, schema]
        : [schema];
  const names = [name, ...within, table];
  return names.every((each) => typeof each === "string") ? names.join(".") : undefined;
}

/** Whether a value is a tombstone, by which Kafka's compaction forgets the key of a row that a change before has deleted. */
export function isTombstone(value: unknown): boolean {
  return value === null || (objectOf(value)?.payload === null && !("op" in Object(value)));
}

/** The key of a row as Debezium's own records have it, without a schema: `{"id":1}`. */
export function rowKey(key: readonly string[], row: Data): string {
  return JSON.stringify(Object.fromEntries(key.map((column) => [column, row[column]])));
}

/** What the columns of the key have in the row with that key, in the key's order; undefined if no row of the table has it. */
export function keyColumnsIn({ key }: ChangeForm, text: string): readonly unknown[] | undefined {
  const row = objectOf(parsed(text));
  return row !== undefined && rowKey(key, row) === text ? key.map((column) => row[column]) : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function payloadOf(change: unknown): Json | undefined {
  const value = objectOf(change);
  return value !== undefined && "payload" in value && !("op" in value) ? objectOf(value.payload) : value;
}

function rowAfter(name: string, required: readonly string[], { op, before, after }: Json): Data {
  const row = objectOf(after);
  if (row === undefined)
    throw refused(name, `"after" is missing, and "op" ${JSON.stringify(op)} says what a row is`);
  const missing = required.find((column) => (row[column] ?? null) === null);
  if (missing !== undefined) {
    throw refused(
      name,
      `column "${missing}" is ${row[missing] === null ? "null" : "missing"}, and the type's row requires it`,
    );
  }
  const columns = Object.entries(row).map(([column, value]) => {
    const known = isUnavailable(value) ? objectOf(before)?.[column] : value;
    if (known !== undefined && !isUnavailable(known)) return [column, known] as const;
    throw refused(
      name,
      `column "${column}" was not sent: PostgreSQL leaves out a long value that an update did not touch; give the table REPLICA IDENTITY FULL`,
    );
  });
  return Object.fromEntries(columns.filter(([, value]) => value !== null));
}

function keyBefore(name: string, key: readonly string[], before: unknown): Data {
  const row = objectOf(before) ?? {};
  const missing = key.find((column) => row[column] === undefined || row[column] === null);
  if (missing === undefined) return Object.fromEntries(key.map((column) => [column, row[column]]));
  throw refused(
    name,
    `"before" lacks "${missing}", so that it does not say which row was deleted: give the table a REPLICA IDENTITY that has its key`,
  );
}

/** What Debezium puts in place of values that PostgreSQL did not send: as it stands, in a list, or as bytes. */
const unavailable = "__debezium_unavailable_value";
const unavailables: readonly unknown[] = [unavailable, btoa(unavailable)];

function isUnavailable(value: unknown): boolean {
  const [only, second] = Array.isArray(value) ? value : [value];
  return second === undefined && unavailables.includes(only);
}

/** By what tells a source's changes apart, and is the same when one is delivered again. */
function positionOf(source: Json): string | undefined {
  const parts = { postgresql: ["lsn"], mysql, mariadb: mysql, sqlserver };
  const { connector } = source;
  const names =
    typeof connector === "string" && Object.hasOwn(parts, connector) ? parts[connector as "mysql"] : [];
  const values = names.map((name) => source[name] ?? "");
  return values.every((value) => value === "") ? undefined : values.join(":");
}

const mysql = ["server_id", "file", "pos", "row"];
const sqlserver = ["commit_lsn", "change_lsn", "event_serial_no"];

/** Zero is what connectors have where they do not know. */
function timeOf(ms: unknown): string | undefined {
  return typeof ms === "number" && ms > 0 && ms <= maxTime ? formatTime(Math.floor(ms)) : undefined;
}

function requiredIn(schema: EventType["schema"]): readonly string[] {
  return (schema as { readonly [requiredColumns]?: readonly string[] })[requiredColumns] ?? [];
}

function objectOf(value: unknown): Json | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

function refused(name: string, reason: string): TidemarkError {
  return new TidemarkError("TIDEMARK_EVENT_DATA", `data of ${name}: ${reason}`);
}
