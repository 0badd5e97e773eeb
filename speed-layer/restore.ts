import type { Generations } from "../infra/generations/generations.ts";
import type { Log } from "../infra/log/log.ts";
import { Chain } from "../infra/tail/chain.ts";
import type { TailCheckpoint } from "../infra/tail/checkpoint.ts";
import { offset, offsetAt } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { isFolded, isRecomputed } from "../views/layers.ts";
import { needsGeneration } from "../views/version.ts";
import type { View } from "../views/view.ts";

/**
 * The chains of every view that is folded, by its partitions: as the checkpoint has them, or, for a view that it has not,
 * empty ones at the cut of its current generation; where the log has let go of what they would go on with, empty ones at its
 * start. One that is answered only once it has a generation begins at the log's end without one: what lies before is built
 * by the batch layer, and folding it would hold up all other views of the topic. So does one that no generation is made of:
 * what lies before is folded aside (`foldWhole`).
 */
export async function restoreChains(
  views: readonly View[],
  log: Log,
  checkpoint: TailCheckpoint,
  generations: Pick<Generations, "current">,
): Promise<ReadonlyMap<View, readonly Chain[]>> {
  const segments = await checkpoint.load();
  const chains = new Map<View, readonly Chain[]>();
  for (const view of views.filter(isFolded)) {
    const current = isRecomputed(view) ? await generations.current(view) : undefined;
    const isAtEnd = !isRecomputed(view) || (current === undefined && needsGeneration(view));
    const ofView: Chain[] = [];
    for (const [number, { topic, partition }] of view.partitions.entries()) {
      const kept = segments.filter((segment) => segment.view === view && segment.partition === number);
      const next = (await log.nexts(topic))[partition] ?? offset(0);
      const start = (await log.starts(topic))[partition] ?? offset(0);
      const begins = isAtEnd ? next : offsetAt(current?.cut ?? {}, topic, partition);
      const restored =
        kept.length === 0 ? new Chain(view, number, begins) : Chain.restore(view, number, kept);
      const chain = restored.next < start ? new Chain(view, number, start) : restored;
      if (chain.next > next) {
        throw new TidemarkError(
          "TIDEMARK_STORE_OUT_OF_RANGE",
          `view "${view.name}" has folded ${topic}/${partition} up to ${chain.next}, but the log ends at ${next}: it is not the log that the checkpoint and the generations were made of`,
        );
      }
      ofView.push(chain);
    }
    chains.set(view, ofView);
  }
  return chains;
}
