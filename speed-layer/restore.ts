import type { Generations } from "../infra/generations/generations.ts";
import type { Log } from "../infra/log/log.ts";
import { Chain } from "../infra/tail/chain.ts";
import type { TailCheckpoint } from "../infra/tail/checkpoint.ts";
import { offsetAt } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import type { View } from "../views/view.ts";

/**
 * The chains of every view, by its partitions: as the checkpoint has them, or, for a view that it has not, empty ones at the
 * cut of its current generation.
 */
export async function restoreChains(
  views: readonly View[],
  log: Log,
  checkpoint: TailCheckpoint,
  generations: Pick<Generations, "current">,
): Promise<ReadonlyMap<View, readonly Chain[]>> {
  const segments = await checkpoint.load();
  const chains = new Map<View, readonly Chain[]>();
  for (const view of views) {
    const cut = (await generations.current(view))?.cut ?? {};
    const ofView: Chain[] = [];
    for (const [number, { topic, partition }] of view.partitions.entries()) {
      const kept = segments.filter((segment) => segment.view === view && segment.partition === number);
      const chain =
        kept.length === 0
          ? new Chain(view, number, offsetAt(cut, topic, partition))
          : Chain.restore(view, number, kept);
      const next = (await log.nexts(topic))[partition] ?? 0;
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
