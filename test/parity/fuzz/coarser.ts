import { bucketing } from "../../../serving-layer/buckets.ts";
import { TidemarkError } from "../../../views/errors.ts";
import type { Cell, StateRow } from "../../../views/state.ts";
import { copyState, mergeState, type View } from "../../../views/view.ts";
import { type Case, jsonOf } from "./case.ts";
import { answer, type ExpectedRow } from "./oracle.ts";
import { coarser, type WindowEntry } from "./windows.ts";

const hourMs = 3_600_000;

interface CoarserAnswer {
  readonly rows: readonly StateRow[];
  readonly expected: ReadonlyMap<string, ExpectedRow>;
}

/**
 * The rows of a view rolled up as a query does it, into each wider window there is for its own, and what the oracle says of
 * the same records by that window. Panes that are refused lie in several buckets by the oracle, and count on neither side.
 */
export function coarserAnswers(c: Case, view: View, rows: readonly StateRow[]): readonly CoarserAnswer[] {
  if (c.table != null || c.view.window === null) return [];
  return (coarser[c.view.window] ?? []).map((entry) => {
    const bucketOf = bucketing(view.window, entry.declared());
    const groups = new Map<string, StateRow & { readonly cells: Cell[] }>();
    const refused = new Set<number>();
    for (const { dimensions, pane, cells } of rows) {
      const bucket = bucketOrRefusal(bucketOf, pane);
      if (bucket === undefined) {
        if (!isDivided(entry, pane)) throw new Error(`the pane ${pane} is refused, and lies in one bucket`);
        refused.add(pane);
        continue;
      }
      const key = jsonOf([dimensions, bucket]);
      const group = groups.get(key);
      if (group !== undefined) mergeState(view, group.cells, cells);
      else groups.set(key, { dimensions, pane: bucket, cells: copyState(view, cells) });
    }
    const meant = (times: readonly number[]) => {
      const inBuckets = entry.meant(times);
      return times.map((time, i) =>
        refused.has(Math.floor(time / hourMs) * hourMs) ? Number.NaN : (inBuckets[i] ?? Number.NaN),
      );
    };
    const all = [...answer(c, { meant })];
    const expected = new Map(all.filter(([key]) => !key.endsWith(",null]")));
    return { rows: [...groups.values()], expected };
  });
}

function bucketOrRefusal(bucketOf: (pane: number) => number, pane: number): number | undefined {
  try {
    return bucketOf(pane);
  } catch (error) {
    if (error instanceof TidemarkError && error.code === "TIDEMARK_QUERY_GRANULARITY") return undefined;
    throw error;
  }
}

/** Whether two moments of an hour, a minute apart or its two ends, are told apart by a wider window. */
export function isDivided({ meant }: Pick<WindowEntry, "meant">, hour: number): boolean {
  const minutes = Array.from({ length: 60 }, (_, i) => hour + i * 60_000);
  return new Set(meant([...minutes, hour + hourMs - 1])).size > 1;
}
