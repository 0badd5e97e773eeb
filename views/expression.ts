import { unreachable } from "./errors.ts";
import type { Field, FieldType } from "./field.ts";

/** What a literal or a field of a record can hold. */
export type Scalar = string | number | boolean | null;

/** One operation of the expression language with both its meanings; see `expressions/`. */
export interface Operator {
  readonly name: string;
  readonly result: FieldType;
  /**
   * `propagate`: null as soon as one argument is null, and `js` below is never given one. `mind`: the operator minds
   * nulls itself and may give one. `never`: it minds them and gives none.
   */
  readonly nulls: "propagate" | "mind" | "never";
  /** Whether it can give null, where that is not simply whether some argument can be: a division by zero. */
  readonly nullable?: (args: readonly Node[]) => boolean;
  /**
   * JavaScript over argument texts, each of which is a name or a literal and may be repeated. Total: it is computed
   * for every event, also where its value is not asked for. Numbers that it gives are finite and not -0.
   */
  js(args: readonly string[], scope: JsScope): string;
  /** DuckDB SQL over argument texts, which nest: each stands in it once. It never raises an error either. */
  sql(args: readonly string[]): string;
}

/** Every operator is made by this. */
export function defineOperator(operator: Operator): Operator {
  return Object.freeze(operator);
}

/** A frozen expression tree. `nullable` is whether it can be null for some record. */
export type Node =
  | {
      readonly kind: "field";
      readonly name: string;
      /** Of what lies in an object: the names that lead to it. */
      readonly path?: readonly string[];
      /** The path leads from the element of the view's list instead of the event's data; the name is that of the list of all. */
      readonly of?: "element";
      readonly type: FieldType;
      readonly nullable: boolean;
      /** What it is where the record lacks it, instead of null. */
      readonly default?: Scalar;
    }
  | ListNode
  /** The envelope's time, in milliseconds since the epoch. */
  | { readonly kind: "eventTime"; readonly type: FieldType; readonly nullable: boolean }
  | { readonly kind: "literal"; readonly value: Scalar; readonly type: FieldType; readonly nullable: boolean }
  | {
      readonly kind: "call";
      readonly operator: Operator;
      readonly args: readonly Node[];
      readonly type: FieldType;
      readonly nullable: boolean;
    };

/** A list of an event; `type` is that of its elements if they are values. */
export interface ListNode {
  readonly kind: "list";
  /** The column by which it is counted. */
  readonly name: string;
  readonly path: readonly string[];
  /** What stands in its elements. */
  readonly fields: readonly Field[];
  readonly type: FieldType;
  readonly nullable: boolean;
}

/** An expression over the fields of one event: `f.delay.gt(15)`. */
export class Expression<T> {
  readonly node: Node;
  declare protected readonly valueType: T;

  constructor(node: Node) {
    this.node = Object.freeze(node);
  }
}

/** The type of an expression's values. */
export type ValueIn<E> =
  E extends Expression<infer T>
    ? T extends Date
      ? string
      : T extends string | number | boolean
        ? T
        : never
    : never;

export function fieldNode(field: Field): Node {
  const { name, path, type, optional } = field;
  const node = { kind: "field", name, ...(path.length > 1 ? { path } : {}), type } as const;
  if (field.default === undefined) return { ...node, nullable: optional };
  return { ...node, nullable: false, default: field.default };
}

/** The list that these fields stand in, all of them; counted by one that every schema of the type has had. */
export function listNode(fields: readonly Field[]): ListNode {
  const counted = fields.find(({ within }) => within?.optional === false) ?? fields[0];
  if (counted === undefined) throw new Error("a list has fields");
  const { name, path, type, optional } = counted;
  return { kind: "list", name, path, fields: Object.freeze([...fields]), type, nullable: optional };
}

/** What stands in one element of a list, where the view is from the list's elements. */
export function elementNode({ name, type, within }: Field): Node {
  const { path = [], optional = false } = within ?? {};
  return { kind: "field", name, path, of: "element", type, nullable: optional };
}

export function callNode(operator: Operator, args: readonly Node[]): Node {
  return Object.freeze({
    kind: "call",
    operator,
    args: Object.freeze([...args]),
    type: operator.result,
    nullable: operator.nullable?.(args) ?? (operator.nulls !== "never" && args.some((arg) => arg.nullable)),
  });
}

/** Where generated JavaScript puts its constants and its intermediate values. */
export interface JsScope {
  /** A literal, or the name of a constant, that is this value: functions too. */
  constant(value: unknown): string;
  /** Emits `const NAME = js;` before the text in hand and gives the name. */
  bind(js: string): string;
}

/** JavaScript that computes the node from `event`; null where SQL says NULL. */
export function nodeToJs(node: Node, event: string, scope: JsScope): string {
  switch (node.kind) {
    case "field": {
      const stored = fieldToJs(node, event, scope);
      const raw =
        node.default === undefined ? stored : scope.bind(`${stored} ?? ${scope.constant(node.default)}`);
      // + 0 makes -0 into 0: the master dataset holds 0, and both layers must see the same number.
      const isNumeric = node.type === "integer" || node.type === "number";
      if (!node.nullable) return scope.bind(isNumeric ? `${raw} + 0` : raw);
      const value = scope.bind(`${raw} ?? null`);
      return isNumeric ? scope.bind(`${value} === null ? null : ${value} + 0`) : value;
    }
    case "list":
      return scope.bind(`${fieldToJs(node, event, scope)}${node.nullable ? " ?? null" : ""}`);
    case "eventTime":
      return scope.bind(`${event}.time`);
    case "literal":
      return scope.constant(node.value);
    case "call": {
      const args = node.args.map((arg) => nodeToJs(arg, event, scope));
      const js = node.operator.js(args, scope);
      const nulls = node.args.flatMap((arg, i) => (arg.nullable ? [`${args[i]} === null`] : []));
      return scope.bind(
        node.operator.nulls === "propagate" && nulls.length > 0 ? `${nulls.join(" || ")} ? null : ${js}` : js,
      );
    }
    default:
      return unreachable(node);
  }
}

/** In generated JavaScript, the element of the view's list. */
export const elementName = "element";

/** What the data has there; an object on the way that is missing makes it undefined, too. */
function fieldToJs(node: Node & { readonly kind: "field" | "list" }, event: string, scope: JsScope): string {
  const { path = [node.kind === "field" ? node.name : ""], nullable } = node;
  const step = nullable ? "?." : "";
  const names = path.map((name, i) => `${i === 0 ? "" : step}[${JSON.stringify(name)}]`);
  const isOfElement = node.kind === "field" && node.of === "element";
  return `${isOfElement ? elementName : scope.bind(`${event}.data`)}${names.join("")}`;
}

/** Collects the values of a statement; its texts hold `$1`, `$2`, … in their place. */
export interface SqlParameters {
  readonly values: Scalar[];
}

const sqlTypes: Readonly<Record<FieldType, string>> = {
  string: "VARCHAR",
  integer: "BIGINT",
  number: "DOUBLE",
  boolean: "BOOLEAN",
  time: "BIGINT",
};

/** How a field stands in the master dataset. */
export function columnType({ type, within }: Field): string {
  return `${type === "time" ? "TIMESTAMP_MS" : sqlTypes[type]}${within === undefined ? "" : "[]"}`;
}

/** How a value of an expression stands in a statement. */
export function sqlType(type: FieldType): string {
  return sqlTypes[type];
}

/** The one place where a name becomes SQL text. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** DuckDB SQL that computes the node from the columns of the master dataset. */
export function nodeToSql(node: Node, parameters: SqlParameters): string {
  switch (node.kind) {
    case "field": {
      const column = `${quoteIdentifier(node.name)}${node.of === "element" ? "[_element]" : ""}`;
      const value = node.type === "time" ? `epoch_ms(${column})` : column;
      if (node.default === undefined) return value;
      return `coalesce(${value}, ${literalToSql(node.default, node.type, parameters)})`;
    }
    case "list": {
      const column = quoteIdentifier(node.name);
      return node.type === "time" ? `list_transform(${column}, lambda it: epoch_ms(it))` : column;
    }
    case "eventTime":
      return "epoch_ms(_event_time)";
    case "literal":
      return literalToSql(node.value, node.type, parameters);
    case "call":
      return node.operator.sql(node.args.map((arg) => nodeToSql(arg, parameters)));
    default:
      return unreachable(node);
  }
}

function literalToSql(value: Scalar, type: FieldType, parameters: SqlParameters): string {
  return `CAST($${parameters.values.push(parameterOf(value))} AS ${sqlType(type)})`;
}

/** The client binds every whole number as an int64, and throws beyond it: 1e21 goes as its digits. */
function parameterOf(value: Scalar): Scalar {
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? String(value) : value;
}

/** The node's meaning as plain data, for fingerprints. */
export function describeNode(node: Node): unknown {
  switch (node.kind) {
    case "field":
      return [
        ...[node.of ?? "field", node.name, node.type, node.nullable],
        ...(node.default === undefined ? [] : [node.default]),
      ];
    case "list":
      return ["list", node.name, node.type, node.nullable];
    case "eventTime":
      return ["eventTime"];
    case "literal":
      return ["literal", node.type, node.value];
    case "call":
      return ["call", node.operator.name, node.args.map(describeNode)];
    default:
      return unreachable(node);
  }
}
