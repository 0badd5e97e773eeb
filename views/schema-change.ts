import type { EventType } from "./event.ts";
import { type Field, readSchema } from "./field.ts";
import { type JsonSchema, type RecordedType, recordType } from "./recorded-type.ts";
import { isSameJson, valueWidening } from "./schema-widening.ts";

/** How a declared event type differs from the one that a data folder has, each difference in words. */
export interface SchemaChange {
  /** Differences by which other events are taken, or the same ones are read as more: a new version of the schema. */
  readonly widenings: readonly string[];
  /** Differences in what is made of events, not in which are taken: defaults, and how the log holds them. */
  readonly restatements: readonly string[];
  /** What can't be: records that are kept would not be read as they were written. */
  readonly refusals: readonly string[];
}

/**
 * Compares by structure. Fields may be added if they are optional, become optional, widen from integer to number and
 * take more values than before; what is not known to take all that it took is refused.
 */
export function compareTypes(recorded: RecordedType, type: EventType): SchemaChange {
  const change = { widenings: [] as string[], restatements: [] as string[], refusals: [] as string[] };
  const present = recordType(type);
  for (const what of ["partitions", "duplicatesWithin"] as const) {
    if (recorded[what] !== present[what]) {
      change.refusals.push(
        `${what} is ${present[what]}, was ${recorded[what]}, and is fixed for ever: ${fixed[what]}`,
      );
    }
  }
  if (recorded.key !== present.key) {
    change.refusals.push(
      `the key is ${keyWords(present.key)}, was ${keyWords(recorded.key)}, and is fixed for ever: ${fixed.partitions}`,
    );
  }
  const wasEncrypted = recorded.encryptedFrom !== undefined;
  if (wasEncrypted && !type.encrypted)
    change.refusals.push("its records are encrypted, so that it stays declared with encrypted: true");
  if (!wasEncrypted && type.encrypted) change.restatements.push("records are encrypted from now on");
  compareObjects(recorded, present.schema, change);
  compareFields(recorded, type, present.schema, change);
  return change;
}

const fixed = {
  partitions: "events of one key would lie in two partitions",
  duplicatesWithin: "records are marked as duplicates by it already",
};

function keyWords(key: string | null): string {
  return key === null ? "the event's id" : `"${key}"`;
}

type Differences = { readonly [K in keyof SchemaChange]: string[] };

/** What the schema says beside its fields. */
function compareObjects({ schema }: RecordedType, present: JsonSchema, change: Differences): void {
  const besides = (object: JsonSchema) => ({ ...object, properties: undefined, required: undefined });
  const outcome = valueWidening(besides(schema), besides(present));
  if (outcome.kind === "narrower") change.refusals.push(`the schema itself: ${outcome.reason}`);
  if (outcome.kind === "wider") change.widenings.push(`the schema itself: ${outcome.what}`);
}

function compareFields(
  recorded: RecordedType,
  type: EventType,
  present: JsonSchema,
  change: Differences,
): void {
  const { fields: former } = readSchema(
    `recorded "${recorded.name}"`,
    recorded.schema as unknown as EventType["schema"],
  );
  const declared = new Map(type.fields.map((field) => [field.name, field]));
  for (const was of former) {
    const is = declared.get(was.name);
    declared.delete(was.name);
    if (is === undefined) {
      change.refusals.push(
        `field "${was.name}" is gone: records have it; keep it, as Type.Optional if no more come`,
      );
      continue;
    }
    compareField(was, is, change);
  }
  // What lies inside an object or a list is part of its value.
  for (const name of new Set(former.map(({ path: [top = ""] }) => top))) {
    const values = valueWidening(property(recorded.schema, name), property(present, name));
    if (values.kind === "narrower") change.refusals.push(`field "${name}": ${values.reason}`);
    if (values.kind === "wider") change.widenings.push(`"${name}" ${values.what}`);
  }
  for (const field of declared.values()) {
    const { name, type: fieldType, optional } = field;
    if (optional) change.widenings.push(`adds "${name}" (${fieldType}, ${whereMissing(field)})`);
    else {
      change.refusals.push(
        `field "${name}" is new and required, which records lack: make it Type.Optional(…)`,
      );
    }
  }
}

function compareField(was: Field, is: Field, change: Differences): void {
  if (is.type === "number" && was.type === "integer")
    change.widenings.push(`"${is.name}" is number, was integer`);
  else if (is.type !== was.type) {
    change.refusals.push(
      `field "${is.name}" is ${is.type}, was ${was.type}: a type may only widen, from integer to number; give the other meaning another name`,
    );
  }
  if (is.optional && !was.optional) change.widenings.push(`"${is.name}" is optional, was required`);
  if (!is.optional && was.optional) {
    change.refusals.push(
      `field "${is.name}" is required, was optional, so that records lack it: leave it Type.Optional`,
    );
  }
  if (is.optional && was.optional && !isSameJson(is.default, was.default)) {
    change.restatements.push(
      `"${is.name}" is ${whereMissing(is)}, not ${JSON.stringify(was.default ?? null)}`,
    );
  }
}

function whereMissing(field: Pick<Field, "default">): string {
  return `${JSON.stringify(field.default ?? null)} where it is missing`;
}

function property(schema: JsonSchema, name: string): JsonSchema {
  return (schema.properties as Readonly<Record<string, JsonSchema>>)[name] ?? {};
}
