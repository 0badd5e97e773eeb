import type { Manifest } from "../../infra/generations/generations.ts";
import { type Cut, cutCovers, formatCut, recordsBetween } from "../../views/cut.ts";
import { TidemarkError, unreachable } from "../../views/errors.ts";
import { cutOf } from "../../views/mapping.ts";
import type { View } from "../../views/view.ts";
import type { AsOf } from "./as-of.ts";

/** Where an answer as of the past stands. */
export interface FoundPast {
  /** The kept generation from whose cut on records are folded; undefined: from the first record on. */
  readonly generation: Manifest | undefined;
  /** The answer is exactly the state at this position. */
  readonly position: Cut;
}

/**
 * Finds it among the view's kept generations, newest first. `end` is where the log ends.
 * TIDEMARK_GENERATION_UNKNOWN for a generation that is not kept, or a time before all that are; TIDEMARK_ASOF_AHEAD
 * for a position that the log has not reached.
 */
export function findPast(view: View, asOf: AsOf, kept: readonly Manifest[], end: Cut): FoundPast {
  const usable = kept.filter(({ fingerprint }) => fingerprint === view.fingerprint);
  switch (asOf.kind) {
    case "position":
      requireReached(asOf.position, end);
      return { generation: nearest(view, asOf.position, usable), position: asOf.position };
    case "generation": {
      const generation = usable.find(({ id }) => id === asOf.id);
      if (generation !== undefined) return at(view, generation);
      const isFormer = kept.some(({ id }) => id === asOf.id);
      const reason = isFormer ? "was made from another declaration of the view" : "is not kept";
      throw unknown(view, `generation "${asOf.id}" ${reason}`, usable);
    }
    case "time": {
      const generation = usable.find((each) => wasPublishedBy(each, asOf.ms));
      if (generation !== undefined) return at(view, generation);
      throw unknown(view, `no generation that is kept was published by ${asOf.text}`, usable);
    }
    default:
      return unreachable(asOf);
  }
}

/** How many records are to be folded. */
export function recordsToFold({ generation, position }: FoundPast): number {
  return recordsBetween(generation?.cut ?? {}, position);
}

export function wasPublishedBy({ createdAt, past }: Manifest, ms: number): boolean {
  return past === undefined && Date.parse(createdAt) <= ms;
}

function at(view: View, generation: Manifest): FoundPast {
  return { generation, position: cutOf(view, generation.cut) };
}

/** Of those at or before the position the one that leaves the fewest records to fold; of several, the newest. */
function nearest(view: View, position: Cut, usable: readonly Manifest[]): Manifest | undefined {
  let found: Manifest | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const generation of usable) {
    if (generation.past === "replay" || !cutCovers(position, cutOf(view, generation.cut))) continue;
    const records = recordsBetween(generation.cut, position);
    if (records < fewest) [found, fewest] = [generation, records];
  }
  return found;
}

function unknown(view: View, reason: string, usable: readonly Manifest[]): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_GENERATION_UNKNOWN",
    `view "${view.name}": ${reason}; there ${usable.length === 1 ? "is" : "are"} ${describeKept(usable)}`,
  );
}

/** The ids, with when each was published, or what it is as of. */
export function describeKept(generations: readonly Manifest[]): string {
  return (
    generations
      .map(({ id, createdAt, past, cut }) => `${id} (${past ? formatCut(cut) : createdAt})`)
      .join(", ") || "none"
  );
}

/** TIDEMARK_ASOF_AHEAD for a position that the log, which ends there, has not reached. */
export function requireReached(position: Cut, end: Cut): void {
  if (cutCovers(end, position)) return;
  const endOfTopics = Object.fromEntries(Object.keys(position).map((topic) => [topic, end[topic] ?? []]));
  throw new TidemarkError(
    "TIDEMARK_ASOF_AHEAD",
    `asOf=${formatCut(position)} lies ahead of the present: the log ends at ${formatCut(endOfTopics)}. To wait for a position, ask with after`,
  );
}
