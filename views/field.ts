import type { TObject, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { TidemarkError } from "./errors.ts";
import type { Scalar } from "./expression.ts";

/** The types a field, a dimension or an expression can have. `integer` is whole and safe (±(2^53 − 1)). */
export type FieldType = "string" | "integer" | "number" | "boolean";

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly optional: boolean;
  /** What an optional field is read as where it is missing; without it, null. */
  readonly default?: Scalar;
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

const fieldTypes: ReadonlySet<string> = new Set<FieldType>(["string", "integer", "number", "boolean"]);

/** The fields of an event type's schema; throws TIDEMARK_DECLARATION_FIELD for what no layer could compute with. */
export function fieldsOf(owner: string, schema: TObject): readonly Field[] {
  const required = new Set<string>((schema as { required?: readonly string[] }).required ?? []);
  const seen = new Map<string, string>(envelopeColumns.map((name) => [name.toLowerCase(), name]));
  return Object.freeze(
    Object.entries<TSchema>(schema.properties).map(([name, property]) => {
      const type = (property as { type?: unknown }).type;
      if (typeof type !== "string" || !fieldTypes.has(type)) {
        throw new TidemarkError(
          "TIDEMARK_DECLARATION_FIELD",
          `${owner}: field "${name}" is of a type that no view can compute with; use Type.String, Type.Integer, Type.Number or Type.Boolean, each optional if need be`,
        );
      }
      if (name in Object.prototype) {
        throw new TidemarkError(
          "TIDEMARK_DECLARATION_FIELD",
          `${owner}: "${name}" can't name a field: every JavaScript object has a property of that name`,
        );
      }
      const clash = seen.get(name.toLowerCase());
      if (clash !== undefined) {
        throw new TidemarkError(
          "TIDEMARK_DECLARATION_FIELD",
          `${owner}: field "${name}" clashes with "${clash}" (column names of the master dataset do not tell case apart)`,
        );
      }
      seen.set(name.toLowerCase(), name);
      const field = { name, type: type as FieldType, optional: !required.has(name) };
      const value = defaultOf(owner, field, property);
      return Object.freeze(value === undefined ? field : { ...field, default: value });
    }),
  );
}

/** -0 is 0, as in records. */
function defaultOf(owner: string, field: Field, property: TSchema): Scalar | undefined {
  const { default: value } = property as { readonly default?: unknown };
  if (value === undefined) return undefined;
  const fail = (reason: string): never => {
    throw new TidemarkError("TIDEMARK_DECLARATION_FIELD", `${owner}: field "${field.name}" ${reason}`);
  };
  if (!field.optional) {
    fail(
      "is required, so that its default would never be read: make it Type.Optional, or leave out the default",
    );
  }
  const isUnsafe = field.type === "integer" && !Number.isSafeInteger(value);
  const isUnsound = typeof value === "string" && !value.isWellFormed();
  if (isUnsafe || isUnsound || !Compile(property).Check(value)) {
    fail(`has the default ${JSON.stringify(value)}, which is no value that it takes`);
  }
  return (typeof value === "number" ? value + 0 : value) as Scalar;
}
