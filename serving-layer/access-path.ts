import type { GenerationReader } from "../infra/generations/generations.ts";
import { canScanColumns } from "./column-sql.ts";
import { isWholeIndex } from "./key-ranges.ts";
import { onlyGroup, type Plan } from "./plan.ts";
import { isShownAsStored } from "./shown-rows.ts";

/** How the states that a query asks for are come by; the answer is the same by each. */
export type AccessPath =
  /** The one group that is asked for is looked up in index and tail, without giving up the thread. */
  | "point"
  /** The parts of the index that the filters leave are read in order; the tail is walked, or looked up where groups are named. */
  | "ranges"
  /** All of the index is read in its order, and the tail is walked. */
  | "index"
  /** DuckDB reads the columns of the generation's states, and gives groups; the tail is walked. */
  | "columns";

/** Takes one of the paths that a query can be answered by. */
export type Planner = (paths: readonly AccessPath[]) => AccessPath;

export const bestPath: Planner = ([best = "index"]) => best;

const pathsOfPoint: readonly AccessPath[] = ["point", "ranges", "index"];
const pathsOfRanges: readonly AccessPath[] = ["ranges", "index"];
const pathsOfAll: readonly AccessPath[] = ["index"];

/** From how many rows on reading them by columns is the quicker. */
const wideRows = 10_000;

/**
 * Every path by which the query can be answered from this generation and a tail, the best one first. `hasColumns`: there is a
 * DuckDB that reads by columns.
 */
export function pathsOf(
  plan: Plan,
  reader: GenerationReader | undefined,
  hasColumns: boolean,
): readonly AccessPath[] {
  const isAll = isWholeIndex(plan.ranges);
  const byIndex = isPoint(plan, reader) ? pathsOfPoint : isAll ? pathsOfAll : pathsOfRanges;
  if (!hasColumns || reader === undefined || !canScanColumns(plan)) return byIndex;
  const isWide = isAll && !plan.isIndexOrdered && rowsWithin(plan, reader) >= wideRows;
  return isWide ? ["columns", ...byIndex] : [...byIndex, "columns"];
}

/** About how many rows of the generation lie in the query's range. */
function rowsWithin({ query: { from, to } }: Plan, { manifest: { rows, panes } }: GenerationReader): number {
  if (panes === null || panes.last === panes.first) return rows;
  const first = Math.max(from ?? panes.first, panes.first);
  const last = Math.min(to ?? panes.last, panes.last);
  return (rows * Math.max(0, last - first)) / (panes.last - panes.first);
}

/** The plan as the path carries it out. */
export function planBy(path: AccessPath, plan: Plan): Plan {
  return path === "index"
    ? { ...plan, ranges: [{ prefix: [], within: undefined }], groupKeys: undefined }
    : plan;
}

/** A point read wider than this many panes gives up the thread like a scan. */
const maxPointPanes = 10_000;

/** Whether the query asks for one group of the index, over a range that is read in one go. */
function isPoint(plan: Plan, reader: GenerationReader | undefined): boolean {
  const { view, stored, attributes, from, to } = plan.query;
  if (!isShownAsStored(stored) || attributes.length > 0 || onlyGroup(plan) === undefined) return false;
  const panes = reader?.manifest.panes;
  if (view.window === undefined || panes === undefined || panes === null) return true;
  const first = Math.max(from ?? panes.first, panes.first);
  const next = Math.min(to ?? Number.POSITIVE_INFINITY, panes.last + view.window.window.widthMs);
  return (next - first) / view.window.window.widthMs <= maxPointPanes;
}
