import {
  type AddScope,
  type Aggregate,
  addToJs,
  defineAggregate,
  type Measure,
  type Value,
} from "./aggregate.ts";
import { TidemarkError } from "./errors.ts";
import { nodeToJs, type Scalar } from "./expression.ts";
import { fieldExpressions } from "./expressions/fields.ts";
import { eventTime } from "./expressions/time-expression.ts";
import type { ExpressionOf, NumberExpression, TimeExpression } from "./expressions/typed.ts";
import type { Field } from "./field.ts";
import { addIntegers } from "./integer.ts";
import { LoopScope } from "./loop-scope.ts";
import type { Piece } from "./session-pieces.ts";
import { type Cell, copyCell } from "./state.ts";
import { formatTime } from "./time.ts";

/** An aggregate that does not say what its values are shows numbers; of a histogram there is none. */
type FieldOf<A> = "shows" extends keyof A
  ? A extends { readonly shows?: infer T }
    ? [Exclude<T, undefined>] extends [never]
      ? never
      : ExpressionOf<Exclude<T, undefined>>
    : never
  : NumberExpression;

/** A session as what its measures are made of: the values of the measures over its records, and its times. */
export type SessionFields<M> = {
  readonly [K in keyof M as [FieldOf<M[K]>] extends [never] ? never : K]: FieldOf<M[K]>;
} & {
  /** Of its first record; `eventTime()` too. */
  readonly start: TimeExpression;
  /** Of its last record. */
  readonly end: TimeExpression;
  /** From the first record to the last, in milliseconds. */
  readonly length: NumberExpression;
};

const ownFields = ["start", "end", "length"] as const;

/**
 * What measures over sessions can name. A value that is no number of a double's range, such as a sum beyond 2^53, is
 * null there, as in arithmetic. Throws TIDEMARK_DECLARATION_* for a name that there is not.
 */
export function sessionFields(
  view: string,
  measures: readonly Measure[],
): SessionFields<Record<string, Aggregate>> {
  const clash = measures.find(({ name }) => (ownFields as readonly string[]).includes(name));
  if (clash !== undefined) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_NAME",
      `view "${view}": "${clash.name}" can't name a measure of sessions: ${ownFields.join(", ")} are a session's own`,
    );
  }
  const fields = measures.flatMap(({ name, aggregate }): Field[] => {
    const { type } = aggregate.value;
    // A histogram is no value to compute with.
    return type === "histogram" ? [] : [{ name, path: [name], type, optional: true }];
  });
  const own: readonly Field[] = [
    { name: "end", path: ["end"], type: "time", optional: false },
    { name: "length", path: ["length"], type: "integer", optional: false },
  ];
  const expressions = fieldExpressions<object>(`a session of view "${view}"`, [...fields, ...own]);
  return new Proxy(expressions, {
    get: (target, name) => (name === "start" ? eventTime() : Reflect.get(target, name)),
  }) as SessionFields<Record<string, Aggregate>>;
}

/** When the last of the sessions ends, as a time's text. Each row of a view of sessions has it. */
export const sessionEnd: Aggregate = defineAggregate({
  kind: "sessionEnd",
  input: undefined,
  where: undefined,
  state: [{ name: "lastMs", type: "integer", zero: null }],
  value: { type: "string", nullable: true },
  add: ([last], _input, { value }) => {
    const end = value({ kind: "field", name: "end", type: "integer", nullable: false });
    return `if (${last} === null || ${end} > ${last}) ${last} = ${end};`;
  },
  sql: () => [],
  merge(a, i, b, j) {
    const [mine, other] = [a[i] as number | null, b[j] as number | null];
    if (other !== null && (mine === null || other > mine)) a[i] = other;
  },
  present: (cells, i) => (cells[i] === null ? null : formatTime(cells[i] as number)),
});

/** The state of one session, by which it is shown and merged with others: its cells, then those of the measures over sessions. */
export type SessionState = (session: Readonly<Piece>) => Cell[];

/** `records`: measures over the records of a session; `sessions`: over sessions, their cells behind. */
export function compileSessionState(
  view: string,
  records: readonly Measure[],
  sessions: readonly Measure[],
): SessionState {
  const scope = new LoopScope();
  const refuse = (): never => {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_TYPE",
      `view "${view}": latest, earliest and current can't be measures over sessions: of two that start at one instant neither is the first`,
    );
  };
  const addScope: AddScope = {
    time: "session.time",
    get partition() {
      return refuse();
    },
    get offset() {
      return refuse();
    },
    constant: (value) => scope.constant(value),
    value: (node) => nodeToJs(node, "session", scope),
  };
  const adds = sessions.map((measure) => addToJs(measure, "cells", addScope));
  const body = `"use strict";
${scope.constantsToJs("constants")}
return function add(session, cells) {
  ${scope.takeStatements()}
  ${adds.join("\n  ")}
};`;
  const add = new Function("addIntegers", "constants", body)(addIntegers, scope.constants) as (
    session: { readonly time: number; readonly data: Readonly<Record<string, unknown>> },
    cells: Cell[],
  ) => void;
  const zeros = sessions.flatMap(({ aggregate }) => aggregate.state.map(({ zero }): Cell => zero));
  return ({ firstMs, lastMs, cells }) => {
    const data: Record<string, unknown> = { end: lastMs, length: lastMs - firstMs };
    for (const { name, aggregate, firstCell } of records) {
      data[name] = fieldValue(aggregate.present(cells, firstCell));
    }
    const state = [...cells.map(copyCell), ...zeros];
    add({ time: firstMs, data }, state);
    return state;
  };
}

function fieldValue(value: Value): Scalar {
  if (typeof value === "bigint" || typeof value === "object") return null;
  return typeof value === "number" && !Number.isFinite(value) ? null : value;
}
