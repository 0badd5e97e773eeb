import { TidemarkError } from "../views/errors.ts";

/** How many groups one query may hold at a time. */
export const maxGroups = 1_000_000;

export function tooManyGroups(view: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_QUERY_TOO_LARGE",
    `this query of view "${view}" makes more than ${maxGroups} rows that have to be held at once: narrow it by from, to or a filter, or group by fewer dimensions`,
  );
}
