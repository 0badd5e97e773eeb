import type { View } from "../../views/view.ts";
import type { Timers } from "../timers.ts";
import type { Manifest } from "./generations.ts";

export interface Watch {
  readonly views: readonly View[];
  /** Something that is another after every move of the pointer; undefined: the view has none yet. */
  readonly pointer: (view: View) => Promise<string | undefined>;
  readonly current: (view: View) => Promise<Manifest | undefined>;
  readonly changed: (view: View, current: Manifest | undefined) => void;
  /** A look failed, or `changed` threw. */
  readonly failed: (error: unknown) => void;
  readonly pollMs: number;
  readonly timers: Timers;
}

/**
 * Looks at the pointers every `pollMs`, the first time at once, and calls back for each that is another than at
 * the last look. Polled, since notifications of file systems do not cross every network mount.
 */
export function watchPointers(watch: Watch): Disposable {
  const seen = new Map<View, string | undefined>();
  const told = new Map<View, string | undefined>();
  let timer: NodeJS.Timeout | undefined;
  let isDisposed = false;

  async function look(view: View): Promise<void> {
    const text = await watch.pointer(view);
    if (seen.has(view) && seen.get(view) === text) return;
    const current = await watch.current(view);
    if (isDisposed) return;
    // The pointer may have moved on between the two reads: that move is told already.
    if (!told.has(view) || told.get(view) !== current?.id) watch.changed(view, current);
    told.set(view, current?.id);
    seen.set(view, text);
  }

  async function lookAtAll(): Promise<void> {
    for (const view of watch.views) {
      try {
        await look(view);
      } catch (error) {
        if (!isDisposed) watch.failed(error);
      }
    }
    if (!isDisposed) timer = watch.timers.setTimeout(() => void lookAtAll(), watch.pollMs);
  }

  void lookAtAll();
  return {
    [Symbol.dispose]() {
      isDisposed = true;
      if (timer !== undefined) watch.timers.clearTimeout(timer);
    },
  };
}
