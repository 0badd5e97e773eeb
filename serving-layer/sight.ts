import type { Sight } from "../infra/access/rights.ts";
import { TidemarkError } from "../views/errors.ts";
import { exactName } from "../views/version.ts";
import { shownView, type View } from "../views/view.ts";
import { type Filter, matcherOf } from "./filter.ts";
import type { Query } from "./parameters.ts";

/**
 * Whether a caller may read the view at all: one that has no dimension to tell its rows by can't be read in part. Who may read
 * a view may read every version of it.
 */
export function isVisible(view: View, { views, rowFilter }: Sight): boolean {
  if (views !== undefined && !views.has(view.family) && !views.has(exactName(view))) return false;
  const { dimensions } = shownView(view);
  return [...rowFilter.keys()].every((name) => dimensions.some((dimension) => dimension.name === name));
}

/** The query over those rows alone that its caller may see; the view must be visible. Throws TIDEMARK_AUTH_FORBIDDEN. */
export function keepToSight(query: Query, { rowFilter }: Sight): Query {
  if (rowFilter.size === 0) return query;
  if (query.isExplained) {
    throw new TidemarkError(
      "TIDEMARK_AUTH_FORBIDDEN",
      "explain=true counts what all rows of the view take, of which you may see some: ask without it",
    );
  }
  const filters = query.filters.map((asked, i): Filter | undefined => {
    const seen = i < query.view.dimensions.length ? rowFilter.get(query.columns[i]?.name ?? "") : undefined;
    if (seen === undefined) return asked;
    return { kind: "values", values: asked === undefined ? [...seen] : [...seen].filter(matcherOf(asked)) };
  });
  return Object.freeze({ ...query, filters });
}
