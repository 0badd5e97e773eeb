import type { Entry, Segment } from "../infra/tail/tail.ts";
import type { View } from "../views/view.ts";

/** Which entries of the tail change: a segment says it once in a process, and here all hear it who ask. */
export class ChangedEntries {
  readonly #listeners = new Set<(view: View, entry: Entry) => void>();

  /** Calls back with what is new or has changed, perhaps with some more, whenever somebody has it spread. */
  on(listener: (view: View, entry: Entry) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /**
   * Tells all listeners what changed in these segments since they were last spread. Of segments that are new
   * to a listener it has to read all entries.
   */
  spread(view: View, segments: readonly Segment[]): void {
    for (const segment of segments) {
      for (const entry of segment.takeChanged())
        for (const listener of this.#listeners) listener(view, entry);
    }
  }
}
