import type { TSchema } from "typebox";
import { TidemarkError } from "./errors.ts";
import type { Scalar } from "./expression.ts";
import type { FieldType } from "./field.ts";
import { timeMark } from "./schema.ts";
import { Compile } from "./typebox.ts";

/** What a schema says of a value: all that the layers go by. */
export type Shape = ValueShape | ObjectShape | ListShape;

export interface ValueShape {
  readonly kind: "value";
  readonly type: FieldType;
}

export interface ObjectShape {
  readonly kind: "object";
  readonly members: readonly Member[];
  readonly names: ReadonlySet<string>;
  /** Whether it holds plain values side by side and no times: what JSON.parse made of it then stands as it is. */
  readonly isFlat: boolean;
}

export interface ListShape {
  readonly kind: "list";
  readonly element: ValueShape | ObjectShape;
}

export interface Member {
  readonly name: string;
  readonly optional: boolean;
  readonly shape: Shape;
  /** What an optional value is read as where it is missing; without it, null. */
  readonly default?: Scalar;
}

type Keywords = Readonly<Record<string, unknown>>;

const plainTypes: ReadonlySet<unknown> = new Set<FieldType>(["string", "integer", "number", "boolean"]);

/** The shape of an object of a schema; throws TIDEMARK_DECLARATION_FIELD for what no layer could compute with. */
export function objectShape(owner: string, schema: TSchema, path: readonly string[] = []): ObjectShape {
  const { required = [], properties = {} } = schema as {
    readonly required?: readonly string[];
    readonly properties?: Readonly<Record<string, TSchema>>;
  };
  const members = Object.entries(properties).map(([name, property]): Member => {
    if (name in Object.prototype) {
      throw new TidemarkError(
        "TIDEMARK_DECLARATION_FIELD",
        `${owner}: "${name}" can't name a field: every JavaScript object has a property of that name`,
      );
    }
    const member = {
      name,
      optional: !required.includes(name),
      shape: shapeOf(owner, property, [...path, name]),
    };
    const value = defaultOf(owner, [...path, name].join("."), member, property);
    return Object.freeze(value === undefined ? member : { ...member, default: value });
  });
  return Object.freeze({
    kind: "object",
    members: Object.freeze(members),
    names: Object.freeze(new Set(members.map(({ name }) => name))),
    isFlat: members.every(({ shape }) => shape.kind === "value" && shape.type !== "time"),
  });
}

function shapeOf(owner: string, schema: TSchema, path: readonly string[]): Shape {
  const keywords = schema as Keywords;
  const { type } = keywords;
  if (keywords[timeMark] === "time") return valueShape("time");
  if (plainTypes.has(type)) return valueShape(type as FieldType);
  const name = path.join(".");
  if (type === "array") return listShape(owner, keywords.items as TSchema, path);
  if (type !== "object") {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_FIELD",
      `${owner}: field "${name}" is of a type that no view can compute with; use Type.String, Type.Integer, Type.Number, Type.Boolean, Type.Time, or a Type.Object or Type.Array of these, each optional if need be`,
    );
  }
  const shape = objectShape(owner, schema, path);
  if (shape.members.length > 0) return shape;
  throw new TidemarkError(
    "TIDEMARK_DECLARATION_FIELD",
    `${owner}: field "${name}" is an object without fields; name those that views are to use: what an event has besides is kept`,
  );
}

/** -0 is 0, as in records. */
function defaultOf(
  owner: string,
  field: string,
  { optional, shape }: Member,
  property: TSchema,
): Scalar | undefined {
  const { default: value } = property as { readonly default?: unknown };
  if (value === undefined) return undefined;
  const fail = (reason: string): never => {
    throw new TidemarkError("TIDEMARK_DECLARATION_FIELD", `${owner}: field "${field}" ${reason}`);
  };
  if (shape.kind !== "value" || shape.type === "time") {
    return fail("can't have a default: only texts, numbers and booleans can");
  }
  if (!optional) {
    fail(
      "is required, so that its default would never be read: make it Type.Optional, or leave out the default",
    );
  }
  const isUnsafe = shape.type === "integer" && !Number.isSafeInteger(value);
  const isUnsound = typeof value === "string" && !value.isWellFormed();
  if (isUnsafe || isUnsound || !Compile(property).Check(value)) {
    fail(`has the default ${JSON.stringify(value)}, which is no value that it takes`);
  }
  return (typeof value === "number" ? value + 0 : value) as Scalar;
}

function listShape(owner: string, items: TSchema, path: readonly string[]): ListShape {
  const element = shapeOf(owner, items, path);
  if (element.kind === "object" && element.members.some(hasDefault)) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_FIELD",
      `${owner}: what stands in list "${path.join(".")}" can't have a default; use coalesce() in the view`,
    );
  }
  if (element.kind !== "list" && !holdsList(element)) return Object.freeze({ kind: "list", element });
  throw new TidemarkError(
    "TIDEMARK_DECLARATION_FIELD",
    `${owner}: list "${path.join(".")}" holds lists; a list is of values, or of objects of values: send an event for each of its elements instead`,
  );
}

function hasDefault(member: Member): boolean {
  const { shape } = member;
  return member.default !== undefined || (shape.kind === "object" && shape.members.some(hasDefault));
}

function holdsList(shape: Shape): boolean {
  if (shape.kind === "object") return shape.members.some((member) => holdsList(member.shape));
  return shape.kind === "list";
}

function valueShape(type: FieldType): ValueShape {
  return Object.freeze({ kind: "value", type });
}
