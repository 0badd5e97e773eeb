import { setTimeout as pause } from "node:timers/promises";
import { TidemarkError } from "../views/errors.ts";
import type { View } from "../views/view.ts";
import type { TailSegments } from "./segments.ts";

export interface WholeTail {
  readonly tail: Pick<TailSegments, "align">;
  /** One that the speed layer alone computes. */
  readonly view: View;
  readonly signal: AbortSignal;
  /** What lies before can't be folded now; it is tried again. */
  readonly onUnaligned: (view: View, error: TidemarkError) => void;
}

/** The archive may have come further by then, or a run have made room. */
const retryMs = 5_000;

/**
 * Folds what lies before the view's chains, from the first record on, until the tail holds all of it. Rejects
 * as `align` does for what no waiting mends.
 */
export async function foldWhole({ tail, view, signal, onUnaligned }: WholeTail): Promise<void> {
  while (!signal.aborted) {
    try {
      return await tail.align(view, {});
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      onUnaligned(view, error);
    }
    await pause(retryMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Whether a cut can't be reached as things are: records that are gone, or more of them than there is room for. */
export function isUnreachable(error: unknown): error is TidemarkError {
  return error instanceof TidemarkError && unreachable.has(error.code);
}

const unreachable: ReadonlySet<string> = new Set([
  "TIDEMARK_STORE_OUT_OF_RANGE",
  "TIDEMARK_STORE_GAP",
  "TIDEMARK_TAIL_FULL",
]);
