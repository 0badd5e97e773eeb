import type { FastifyRequest } from "fastify";
import { TidemarkError } from "../views/errors.ts";
import { queryOf } from "./query-string.ts";

/** Reads the query string of a list: texts by name, and `limit`. Unknown parameters are refused by name. */
export function readListQuery<Name extends string>(
  request: Pick<FastifyRequest, "raw">,
  names: readonly Name[],
  { limit, maxLimit }: { readonly limit: number; readonly maxLimit: number },
): { readonly limit: number } & { readonly [N in Exclude<Name, "limit">]?: string } {
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(queryOf(request))) {
    if (!names.some((known) => known === name)) {
      const expected = names.length === 0 ? "it takes none" : `there are ${names.join(", ")}`;
      throw new TidemarkError(
        "TIDEMARK_QUERY_PARAMETER_UNKNOWN",
        `there is no parameter "${name.slice(0, 100)}"; ${expected}`,
      );
    }
    if (typeof value !== "string") {
      throw new TidemarkError("TIDEMARK_QUERY_PARAMETER", `${name} is given twice; give it once`);
    }
    values[name] = value;
  }
  const result = { ...values, limit: readWhole("limit", values.limit ?? String(limit), 1, maxLimit) };
  return result as unknown as ReturnType<typeof readListQuery<Name>>;
}

export function readWhole(name: string, text: string, from: number, to: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= from && value <= to) return value;
  throw new TidemarkError(
    "TIDEMARK_QUERY_PARAMETER",
    `${name}="${text.slice(0, 100)}": give a whole number from ${from} to ${to}`,
  );
}
