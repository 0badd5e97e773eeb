import type { ValueRange } from "../infra/generations/generations.ts";
import type { Scalar } from "../views/expression.ts";
import { compareKeys, encodeKey } from "../views/key.ts";
import { afterPrefix } from "../views/text-order.ts";
import type { ConditionsFilter } from "./filter.ts";
import { compareValues } from "./order.ts";
import type { Query } from "./parameters.ts";

/** A part of the index: the groups whose first dimensions are `prefix` and whose next one lies within. */
export interface KeyRange {
  readonly prefix: readonly Scalar[];
  /** Undefined: anything. */
  readonly within: ValueRange | undefined;
}

const maxRanges = 256;

/** The parts of the index that hold all which the filters let through, apart and in its order, as narrow as few parts can be. */
export function keyRangesOf({ view, filters }: Pick<Query, "view" | "filters">): readonly KeyRange[] {
  let prefixes: readonly (readonly Scalar[])[] = [[]];
  let withins: readonly (ValueRange | undefined)[] = [undefined];
  for (let i = 0; i < view.dimensions.length; i++) {
    const filter = filters[i];
    if (filter?.kind === "conditions") {
      const ranges = valueRangesOf(filter);
      if (prefixes.length * ranges.length <= maxRanges) withins = ranges;
    }
    if (filter?.kind !== "values" || prefixes.length * filter.values.length > maxRanges) break;
    prefixes = prefixes.flatMap((prefix) => filter.values.map((value) => [...prefix, value]));
  }
  return prefixes
    .map((prefix) => ({ prefix, key: encodeKey(prefix) }))
    .sort((a, b) => compareKeys(a.key, b.key))
    .flatMap(({ prefix }) => withins.map((within) => ({ prefix, within })));
}

/** Whether that is all of the index. */
export function isWholeIndex(ranges: readonly KeyRange[]): boolean {
  const [first] = ranges;
  return first !== undefined && first.prefix.length === 0 && first.within === undefined;
}

/** In order, apart from each other. */
function valueRangesOf({ from, to, prefixes }: ConditionsFilter): readonly (ValueRange | undefined)[] {
  if (prefixes.length === 0) return [from === undefined && to === undefined ? undefined : { from, to }];
  const shortest = prefixes.filter(
    (text) => !prefixes.some((other) => other !== text && text.startsWith(other)),
  );
  return shortest
    .map((text) => ({ from: greatest(from, text), to: least(to, afterPrefix(text)) }))
    .filter((range) => range.to === undefined || compareValues(range.from, range.to) < 0)
    .sort((a, b) => compareValues(a.from, b.from));
}

function greatest(bound: Scalar | undefined, text: string): Scalar {
  return bound === undefined || compareValues(bound, text) < 0 ? text : bound;
}

function least(bound: Scalar | undefined, text: string | undefined): Scalar | undefined {
  if (bound === undefined || text === undefined) return bound ?? text;
  return compareValues(bound, text) < 0 ? bound : text;
}
