import type { TObject } from "typebox";
import type { Validator } from "typebox/compile";
import { type ChangeForm, changedRow, rowKey } from "./change.ts";
import { type Data, holdsMore, readData, requireSafe, textsIn } from "./data.ts";
import { TidemarkError } from "./errors.ts";
import type { Event, EventType } from "./event.ts";
import { valueAt } from "./field.ts";
import { isCanonicalTime, parseTime } from "./time.ts";
import { Compile } from "./typebox.ts";

/** What JSON.parse made of an event's text, before anything was checked. */
export type Envelope = Readonly<Record<string, unknown>>;

const maxNameLength = 1024;

interface KnownType {
  readonly type: EventType;
  readonly validator: Validator<Record<string, never>, TObject>;
  /** Of a flat type: what is read of it is what JSON.parse made. */
  readonly integers: readonly string[] | undefined;
}

/**
 * Bytes to events: the one place where an event's text gets its meaning, so that both layers see the same. An event
 * is JSON of a CloudEvents 1.0 envelope (https://github.com/cloudevents/spec, v1.0.2) whose data satisfies its
 * type's schema.
 */
export class Decoder {
  readonly #types: ReadonlyMap<string, KnownType>;

  constructor(types: readonly EventType[]) {
    this.#types = new Map(types.map((type) => [type.name, knownType(type)]));
  }

  /** Throws TIDEMARK_EVENT_NOT_JSON and whatever `event` throws. */
  decode(text: string): Event {
    return this.event(parseEnvelope(text), text);
  }

  /** Checks an envelope; `text` is what it was parsed from. Throws TIDEMARK_EVENT_* naming what is wrong. */
  event(envelope: Envelope, text: string): Event {
    const type = requireName(envelope, "type");
    const known = this.#types.get(type);
    if (known === undefined) {
      throw new TidemarkError(
        "TIDEMARK_EVENT_TYPE_UNKNOWN",
        `event type "${shorten(type)}" is unknown; this app takes ${[...this.#types.keys()].join(", ")}`,
      );
    }
    const id = requireName(envelope, "id");
    const source = requireName(envelope, "source");
    const time = requireTime(envelope);
    requireSupported(envelope);
    const { changes } = known.type;
    const data = changes === undefined ? envelope.data : changedRow(known.type, changes, envelope.data);
    if (!known.validator.Check(data)) throw dataError(known, data);
    const record = known.integers === undefined ? readData(known.type.shape, data as Data) : (data as Data);
    for (const name of known.integers ?? noNames) {
      const value = record[name];
      // The text of the path is made only where it is needed: this is done for every integer of every event.
      if (value !== undefined && !Number.isSafeInteger(value)) requireSafe(value, `data.${name}`);
    }
    const key = keyOf(known.type, envelope, id, record);
    // Only an escape can bring a lone surrogate into valid UTF-8; few texts have one at all.
    if (text.includes("\\u")) {
      const texts = known.integers === undefined ? textsIn(known.type.shape, record) : Object.values(record);
      requireWellFormed([id, source, key, ...texts]);
    }
    return { id, source, type, time, key, data: record };
  }

  /** How events of that type are read if they are changes. */
  changesOf(type: string): ChangeForm | undefined {
    return this.#types.get(type)?.type.changes;
  }

  /** Whether the envelope holds anything that the typed columns of the master dataset do not. */
  hasRest(envelope: Envelope): boolean {
    const known = this.#types.get(envelope.type as string);
    if (known === undefined || known.type.changes !== undefined) return true;
    for (const name of Object.keys(envelope)) {
      if (name === "datacontenttype" && envelope[name] === "application/json") continue;
      if (!columnAttributes.has(name)) return true;
    }
    return holdsMore(known.type.shape, envelope.data as Data) || !isCanonicalTime(envelope.time as string);
  }
}

const noNames: readonly string[] = [];

const columnAttributes: ReadonlySet<string> = new Set([
  "specversion",
  "id",
  "source",
  "type",
  "time",
  "data",
]);

/** Each type is compiled once, however many decoders there are: one for each partition of each view. */
const knownTypes = new WeakMap<EventType, KnownType>();

function knownType(type: EventType): KnownType {
  let known = knownTypes.get(type);
  if (known === undefined) {
    known = {
      type,
      validator: Compile(type.schema) as unknown as KnownType["validator"],
      integers: type.shape.isFlat
        ? type.fields.filter((field) => field.type === "integer").map((field) => field.name)
        : undefined,
    };
    knownTypes.set(type, known);
  }
  return known;
}

/** JSON text to an envelope; throws TIDEMARK_EVENT_NOT_JSON or TIDEMARK_EVENT_ENVELOPE. */
export function parseEnvelope(text: string): Envelope {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TidemarkError("TIDEMARK_EVENT_NOT_JSON", `not JSON: ${(cause as Error).message}`, { cause });
  }
  return requireEnvelope(value);
}

export function requireEnvelope(value: unknown): Envelope {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TidemarkError(
      "TIDEMARK_EVENT_ENVELOPE",
      `an event is a JSON object {"id", "source", "type", "time", "data"}, not ${Array.isArray(value) ? "an array" : JSON.stringify(value).slice(0, 40)}`,
    );
  }
  return value as Envelope;
}

function requireName(envelope: Envelope, attribute: "id" | "source" | "type"): string {
  const value = envelope[attribute];
  if (typeof value !== "string" || value.length === 0 || value.length > maxNameLength) {
    throw new TidemarkError(
      "TIDEMARK_EVENT_ENVELOPE",
      value === undefined
        ? `"${attribute}" is missing`
        : `"${attribute}" must be a text of 1 to ${maxNameLength} characters`,
    );
  }
  return value;
}

function requireTime(envelope: Envelope): number {
  const text = envelope.time;
  const time = typeof text === "string" ? parseTime(text) : Number.NaN;
  if (Number.isNaN(time)) {
    throw new TidemarkError(
      "TIDEMARK_EVENT_TIME",
      text === undefined
        ? `"time" is missing`
        : `"time" is ${shorten(JSON.stringify(text))}, which is no time: give RFC 3339 such as "2001-01-31T08:15:00Z"`,
    );
  }
  return time;
}

function requireSupported(envelope: Envelope): void {
  const { specversion, datacontenttype } = envelope;
  if (specversion !== undefined && specversion !== "1.0") {
    throw new TidemarkError("TIDEMARK_EVENT_ENVELOPE", `"specversion" must be "1.0"`);
  }
  if (envelope.data_base64 !== undefined) throw binaryError(envelope);
  if (datacontenttype !== undefined && !isJsonMediaType(datacontenttype)) {
    throw new TidemarkError(
      "TIDEMARK_EVENT_ENVELOPE",
      `"datacontenttype" must be JSON, such as "application/json"`,
    );
  }
}

function binaryError({ encryption, encryptionkey }: Envelope): TidemarkError {
  if (encryption === undefined) {
    return new TidemarkError(
      "TIDEMARK_EVENT_ENVELOPE",
      `"data_base64" is not supported: give "data" as JSON`,
    );
  }
  return new TidemarkError(
    "TIDEMARK_EVENT_ENCRYPTED",
    `the event is encrypted, and key "${shorten(String(encryptionkey))}" does not open it: it is none of this platform's keys, or the event was changed after it was encrypted`,
  );
}

function isJsonMediaType(value: unknown): boolean {
  return typeof value === "string" && /^[\w.+-]+\/(json|[\w.-]+\+json)\s*(;.*)?$/i.test(value);
}

function dataError(known: KnownType, data: unknown): TidemarkError {
  const prefix = `data of ${known.type.name}`;
  if (typeof data !== "object" || data === null) {
    return new TidemarkError("TIDEMARK_EVENT_DATA", `${prefix} must be an object with ${fieldList(known)}`);
  }
  const reasons = known.validator
    .Errors(data)
    .slice(0, 3)
    .map((error) => `${error.instancePath === "" ? "it" : error.instancePath.slice(1)} ${error.message}`);
  return new TidemarkError("TIDEMARK_EVENT_DATA", `${prefix}: ${reasons.join("; ")}`);
}

function fieldList(known: KnownType): string {
  return known.type.fields
    .map(
      (field) =>
        `${field.name}${field.optional ? "?" : ""}: ${field.type}${field.within === undefined ? "" : "[]"}`,
    )
    .join(", ");
}

function keyOf(type: EventType, envelope: Envelope, id: string, data: Data): string {
  const { partitionkey } = envelope;
  if (partitionkey !== undefined) {
    if (
      typeof partitionkey !== "string" ||
      partitionkey.length === 0 ||
      partitionkey.length > maxNameLength
    ) {
      throw new TidemarkError(
        "TIDEMARK_EVENT_ENVELOPE",
        `"partitionkey" must be a text of 1 to ${maxNameLength} characters`,
      );
    }
    return partitionkey;
  }
  if (type.changes !== undefined) return rowKey(type.changes.key, data);
  return type.keyField === undefined ? id : String(valueAt(data, type.keyField.path));
}

function requireWellFormed(values: readonly unknown[]): void {
  for (const value of values) {
    if (typeof value === "string" && !value.isWellFormed()) {
      throw new TidemarkError(
        "TIDEMARK_EVENT_NOT_UTF8",
        `${JSON.stringify(value).slice(0, 60)} holds half of a surrogate pair, which UTF-8 can't carry`,
      );
    }
  }
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
