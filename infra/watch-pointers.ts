import type { Timers } from "./timers.ts";

/** Small files that name which of several things counts, one for each key. */
export interface Watch<Key, Current> {
  readonly keys: readonly Key[];
  /** Something that is another after every move of the pointer; undefined: there is none yet. */
  readonly pointer: (key: Key) => Promise<string | undefined> | string | undefined;
  /** What it names. */
  readonly current: (key: Key) => Promise<Current | undefined>;
  readonly idOf: (current: Current) => string;
  readonly changed: (key: Key, current: Current | undefined) => void;
  /** A look failed, or `changed` threw. */
  readonly failed: (error: unknown) => void;
  readonly pollMs: number;
  readonly timers: Timers;
}

/**
 * Looks at the pointers every `pollMs`, the first time at once, and calls back for each that is another than at
 * the last look. Polled, since notifications of file systems do not cross every network mount.
 */
export function watchPointers<Key, Current>(watch: Watch<Key, Current>): Disposable {
  const seen = new Map<Key, string | undefined>();
  const told = new Map<Key, string | undefined>();
  let timer: NodeJS.Timeout | undefined;
  let isDisposed = false;

  async function look(key: Key): Promise<void> {
    const text = await watch.pointer(key);
    if (seen.has(key) && seen.get(key) === text) return;
    const current = await watch.current(key);
    if (isDisposed) return;
    const id = current === undefined ? undefined : watch.idOf(current);
    // The pointer may have moved on between the two reads: that move is told already.
    if (!told.has(key) || told.get(key) !== id) watch.changed(key, current);
    told.set(key, id);
    seen.set(key, text);
  }

  async function lookAtAll(): Promise<void> {
    for (const key of watch.keys) {
      try {
        await look(key);
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
