import { TidemarkError } from "./errors.ts";
import { Expression } from "./expression.ts";
import type { MappedDimension } from "./mapping.ts";
import type { DeclaredMapping } from "./merged-mappings.ts";
import type { By, WindowDimension } from "./view.ts";

/** Names that a query gives its own meaning to. */
const reservedNames: ReadonlySet<string> = new Set([
  ...[
    "from",
    "to",
    "granularity",
    "tz",
    "groupBy",
    "measures",
    "orderBy",
    "limit",
    "cursor",
    "layer",
    "after",
  ],
  ...["asOf", "differing", "explain", "fill", "format", "live", "totals", "timeout"],
]);

/** Names that stand beside the dimensions in the rows of a comparison. */
const comparedNames: ReadonlySet<string> = new Set(["batch", "speed", "merged", "difference"]);

/** What rows are told apart by, read. Throws TIDEMARK_DECLARATION_*. */
export function readBy(view: string, by: By): Pick<DeclaredMapping, "dimensions" | "window"> {
  const dimensions: MappedDimension[] = [];
  let window: WindowDimension | undefined;
  for (const [name, part] of Object.entries(by)) {
    if (comparedNames.has(name)) {
      throw new TidemarkError(
        "TIDEMARK_DECLARATION_NAME",
        `view "${view}": "${name}" can't name a dimension: comparisons show ${[...comparedNames].join(", ")} beside the dimensions`,
      );
    }
    if (part instanceof Expression) {
      const { node } = part;
      if (node.type === "number" || node.type === "time") {
        const what = node.type === "time" ? "time: ask for its date() or its parts" : "float";
        throw new TidemarkError(
          "TIDEMARK_DECLARATION_TYPE",
          `view "${view}": dimension "${name}" is a ${what}; rows can be told apart by strings, integers and booleans`,
        );
      }
      dimensions.push(Object.freeze({ name, node, type: node.type, nullable: node.nullable }));
    } else if (window === undefined) {
      window = Object.freeze({ name, window: part });
    } else {
      throw new TidemarkError(
        "TIDEMARK_DECLARATION_WINDOW",
        `view "${view}" has two windows, "${window.name}" and "${name}"; a view has at most one: declare two views`,
      );
    }
  }
  return { dimensions: Object.freeze(dimensions), window };
}

/** Throws TIDEMARK_DECLARATION_NAME for a column that a query could not name. */
export function requireDistinctNames(view: string, columns: readonly { readonly name: string }[]): void {
  const seen = new Set<string>();
  for (const { name } of columns) {
    if (!/^[A-Za-z][A-Za-z0-9_]{0,99}$/.test(name) || reservedNames.has(name)) {
      throw new TidemarkError(
        "TIDEMARK_DECLARATION_NAME",
        `view "${view}": "${name}" can't name a column: use letters, digits and "_", and none of ${[...reservedNames].join(", ")}`,
      );
    }
    if (seen.has(name.toLowerCase())) {
      throw new TidemarkError(
        "TIDEMARK_DECLARATION_NAME",
        `view "${view}" has two columns named "${name}" (case is not told apart)`,
      );
    }
    seen.add(name.toLowerCase());
  }
}
