import type { Generations } from "../infra/generations/generations.ts";
import type { Cut } from "../views/cut.ts";
import type { TidemarkError } from "../views/errors.ts";
import { isRecomputed } from "../views/layers.ts";
import type { View } from "../views/view.ts";
import type { TailSegments } from "./segments.ts";
import type { TailPublisher } from "./tail-publisher.ts";
import { isUnreachable } from "./whole-tail.ts";

export interface Renewal {
  /** Of one partition. */
  readonly tail: TailSegments;
  readonly views: readonly View[];
  readonly publisher: TailPublisher;
  readonly generations: Pick<Generations, "current">;
  /** Nothing is folded from when it resolves until what it gives is called. */
  readonly hold: () => Promise<() => void>;
  readonly maxEntries: () => number;
  readonly signal: AbortSignal;
  readonly onUnaligned: (view: View, error: TidemarkError) => void;
}

/**
 * Folds what lies after the cuts of the generations that serve once more, as if what lies before and is in the
 * master dataset no more had never been, and has that told in the place of all else, under the request's name. What
 * can't be folded as things are stays unanswered.
 */
export async function renewPartition(renewal: Renewal, request: string): Promise<void> {
  const { tail, views, publisher, generations, hold, maxEntries, signal, onUnaligned } = renewal;
  const cuts = new Map<View, Cut>();
  const unlessUnreachable = async (view: View, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      onUnaligned(view, error);
      return false;
    }
  };
  for (const view of views) {
    const { cut } = (isRecomputed(view) ? await generations.current(view) : undefined) ?? {};
    cuts.set(view, cut ?? {});
    if (!(await unlessUnreachable(view, () => tail.align(view, cut ?? {})))) return;
    await publisher.told();
    if (cut !== undefined) tail.release(view, cut);
  }
  // Before the publisher is held up: what is in hand may wait for room, which only what is told makes.
  const goOn = await hold();
  try {
    await publisher.renew(request, async () => {
      const [first] = views;
      const fold = () => tail.foldAnew(cuts, maxEntries() + tail.entries, signal);
      return first === undefined || unlessUnreachable(first, fold);
    });
  } finally {
    goOn();
  }
}
