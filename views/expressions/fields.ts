import { TidemarkError } from "../errors.ts";
import { fieldNode } from "../expression.ts";
import type { Field } from "../field.ts";
import { type ExpressionOf, typed } from "./typed.ts";

/** What `by`, `where` and `measures` are given: one expression per field of the event's schema. */
export type Fields<Data> = { readonly [K in keyof Data]-?: ExpressionOf<Exclude<Data[K], undefined>> };

/** Fields by name; asking for one that the schema doesn't have throws TIDEMARK_DECLARATION_FIELD. */
export function fieldExpressions<Data>(owner: string, fields: readonly Field[]): Fields<Data> {
  const byName = new Map(fields.map((field) => [field.name, typed(fieldNode(field))]));
  return new Proxy({} as Fields<Data>, {
    get(_target, name) {
      if (typeof name === "symbol") return undefined;
      const expression = byName.get(name);
      if (expression === undefined) {
        throw new TidemarkError(
          "TIDEMARK_DECLARATION_FIELD",
          `${owner} has no field "${name}"; its fields are ${fields.map((field) => field.name).join(", ")}`,
        );
      }
      return expression;
    },
  });
}
