import type { Operation, Schema } from "../infra/openapi/operation.ts";

export function answered(summary: string, schema: Schema, example?: unknown): Operation {
  return { summary, responses: { 200: { description: summary, schema, example } } };
}

export function oneOf(choices: readonly string[]): Schema {
  return { type: "string", enum: choices };
}

export function wholeNumber(maximum: number): Schema {
  return { type: "integer", minimum: 1, maximum };
}

export function nullable(schema: Schema): Schema {
  return { anyOf: [schema, { type: "null" }] };
}
