import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder, removeAsides } from "../durable.ts";
import type { Timers } from "../timers.ts";
import { watchPointers } from "../watch-pointers.ts";
import {
  type Moved,
  moveVersionPointer,
  numberOfMoves,
  readVersionPointer,
  type VersionPointer,
} from "./version-pointer.ts";

export interface VersionPointersOptions {
  readonly root: string;
  /** Those whose pointers may be asked for. */
  readonly families: readonly string[];
  /** Those of them that another process, or the policy, may move. */
  readonly watched: readonly string[];
  /** Whether nobody else writes there: what a crash left is then removed. */
  readonly isAlone: boolean;
  /** How often the pointers are looked at. */
  readonly pollMs?: number;
  readonly timers?: Timers;
  /** A look failed; the next one comes as ever. */
  readonly onWatchError: (error: unknown) => void;
}

/**
 * The pointers of several families. What they say is read before `open` comes back and known from then on: at once where this
 * moves one, by polling where another does.
 */
export class VersionPointers implements Disposable {
  readonly root: string;
  readonly #known = new Map<string, VersionPointer>();
  readonly #listeners = new Set<(family: string) => void>();
  #watch: Disposable | undefined;

  private constructor(root: string) {
    this.root = root;
  }

  static async open(options: VersionPointersOptions): Promise<VersionPointers> {
    const { root, families, watched, isAlone, pollMs = 50, timers = globalThis, onWatchError } = options;
    await makeFolder(root);
    if (isAlone) {
      for (const entry of await readdir(root, { withFileTypes: true }))
        if (entry.isDirectory()) await removeAsides(join(root, entry.name));
    }
    const pointers = new VersionPointers(root);
    for (const family of families) await pointers.#look(family);
    if (watched.length > 0) {
      pointers.#watch = watchPointers({
        keys: watched,
        pointer: async (family) => String(await numberOfMoves(root, family)),
        current: (family) => pointers.#look(family),
        idOf: ({ moves }) => String(moves),
        // Noted by the look itself.
        changed: () => undefined,
        failed: onWatchError,
        ...{ pollMs, timers },
      });
    }
    return pointers;
  }

  /** Undefined where it was never moved. */
  known(family: string): VersionPointer | undefined {
    return this.#known.get(family);
  }

  /** As `moveVersionPointer` does; the move is known here once this resolves. */
  async move(family: string, next: (known: VersionPointer | undefined) => Moved | undefined): Promise<void> {
    this.#note(family, await moveVersionPointer(this.root, family, next));
  }

  /** Calls back with the family after each move, here or elsewhere. */
  onMove(listener: (family: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async #look(family: string): Promise<VersionPointer | undefined> {
    const pointer = await readVersionPointer(this.root, family);
    this.#note(family, pointer);
    return pointer;
  }

  /** What was read before a later move is passed over. */
  #note(family: string, pointer: VersionPointer | undefined): void {
    if (pointer === undefined || pointer.moves <= (this.#known.get(family)?.moves ?? 0)) return;
    this.#known.set(family, pointer);
    for (const listener of [...this.#listeners]) listener(family);
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
  }
}
