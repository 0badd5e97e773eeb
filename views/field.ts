import type { TObject } from "typebox";
import { TidemarkError } from "./errors.ts";
import type { Scalar } from "./expression.ts";
import { type ListShape, type ObjectShape, objectShape } from "./shape.ts";

/**
 * The types a field or an expression can have. `integer` is whole and safe (±(2^53 − 1)); a `time` is milliseconds since
 * the epoch, of the years 1 to 9999.
 */
export type FieldType = "string" | "integer" | "number" | "boolean" | "time";

/** A value that an event can have: a column of the master dataset. */
export interface Field {
  /** The path, joined by dots; also the column's name. */
  readonly name: string;
  /** The names that lead to it from the event's data. */
  readonly path: readonly string[];
  readonly type: FieldType;
  /** Whether it can be missing, be it that an object on the way is. */
  readonly optional: boolean;
  /** What an optional field is read as where it is missing; without it, null. */
  readonly default?: Scalar;
  /**
   * Set of what stands in a list: the path leads to the list, and this from an element on, `[]` if the element is the value.
   * All fields of a list are lists of one length.
   */
  readonly within?: { readonly path: readonly string[]; readonly optional: boolean };
}

/** Columns of the master dataset that the envelope takes: a schema can't have fields of these names. */
export const envelopeColumns = [
  "_partition",
  "_offset",
  "_event_id",
  "_event_source",
  "_event_time",
  "_duplicate",
  "_rest",
] as const;

/** Of the master dataset, but for those of the envelope: what batch statements call the place in a list. */
const elementColumn = "_element";

/** An event type's schema as the layers take it; throws TIDEMARK_DECLARATION_FIELD for what none could compute with. */
export function readSchema(
  owner: string,
  schema: TObject,
): { readonly shape: ObjectShape; readonly fields: readonly Field[] } {
  const shape = objectShape(owner, schema);
  const fields = fieldsIn(shape, [], false);
  const seen = new Map<string, string>(
    [...envelopeColumns, elementColumn].map((name) => [name.toLowerCase(), name]),
  );
  for (const { name } of fields) {
    const clash = seen.get(name.toLowerCase());
    if (clash !== undefined) {
      throw new TidemarkError(
        "TIDEMARK_DECLARATION_FIELD",
        `${owner}: field "${name}" clashes with "${clash}" (column names of the master dataset do not tell case apart)`,
      );
    }
    seen.set(name.toLowerCase(), name);
  }
  return { shape, fields: Object.freeze(fields) };
}

function fieldsIn({ members }: ObjectShape, above: readonly string[], isMissable: boolean): Field[] {
  return members.flatMap((member) => {
    const { name, optional, shape } = member;
    const path = Object.freeze([...above, name]);
    const canMiss = isMissable || optional;
    if (shape.kind === "object") return fieldsIn(shape, path, canMiss);
    if (shape.kind === "list") return fieldsOfList(shape, path, canMiss);
    const field = { name: path.join("."), path, type: shape.type, optional: canMiss };
    return [Object.freeze(member.default === undefined ? field : { ...field, default: member.default })];
  });
}

function fieldsOfList({ element }: ListShape, path: readonly string[], optional: boolean): Field[] {
  const inElement =
    element.kind === "object"
      ? fieldsIn(element, [], false)
      : [{ path: Object.freeze([]), type: element.type, optional: false }];
  return inElement.map((field) =>
    Object.freeze({
      name: [...path, ...field.path].join("."),
      path,
      type: field.type,
      optional,
      within: Object.freeze({ path: field.path, optional: field.optional }),
    }),
  );
}

/** What stands there in an event's data; undefined where there is nothing. */
export function valueAt(data: unknown, path: readonly string[]): unknown {
  let value = data;
  for (const name of path) {
    if (value === undefined) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}
