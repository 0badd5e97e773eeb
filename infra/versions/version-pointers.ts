import { join } from "node:path";
import { TidemarkError } from "../../views/errors.ts";
import { familyPattern, greatestVersion } from "../../views/version.ts";
import { makeFolder, removeAsides, replaceDurably } from "../durable.ts";
import { fileMark, readIfThere } from "../generations/manifest.ts";
import type { Timers } from "../timers.ts";
import { watchPointers } from "../watch-pointers.ts";

/** Which version of a family its name means. */
export interface VersionPointer {
  readonly active: number;
  /** The one before it; null: there was none. */
  readonly former: number | null;
}

export interface VersionPointersOptions {
  readonly root: string;
  /** Those whose pointers may be asked for. */
  readonly families: readonly string[];
  /** Those of them that another process may move. */
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
 * Small files `<root>/<family>.json`, each moved by one rename. What they say is read before `open` comes back and known from then on:
 * at once where this process moves one, by polling where another does.
 */
export class VersionPointers implements Disposable {
  readonly #root: string;
  readonly #known = new Map<string, VersionPointer | undefined>();
  readonly #listeners = new Set<(family: string) => void>();
  #watch: Disposable | undefined;
  /** Looks and moves go one after the other, so that a look never brings back what a move has replaced. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(root: string) {
    this.#root = root;
  }

  static async open(options: VersionPointersOptions): Promise<VersionPointers> {
    const { root, families, watched, isAlone, pollMs = 50, timers = globalThis, onWatchError } = options;
    await makeFolder(root);
    if (isAlone) await removeAsides(root);
    const pointers = new VersionPointers(root);
    for (const family of families) await pointers.#look(family);
    if (watched.length > 0) {
      pointers.#watch = watchPointers({
        keys: watched,
        pointer: (family) => fileMark(pathOf(root, family)),
        current: (family) => pointers.#look(family),
        idOf: ({ active, former }) => `${active} ${former}`,
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

  /**
   * Moves the family's pointer to what `next` makes of it; where that is the same, or undefined, it stays. Resolves once the
   * move is durable, and known here. What `next` throws, this throws.
   */
  move(
    family: string,
    next: (known: VersionPointer | undefined) => VersionPointer | undefined,
  ): Promise<void> {
    return this.#inTurn(async () => {
      const known = await readVersionPointer(this.#root, family);
      this.#note(family, known);
      const moved = next(known);
      if (moved === undefined || isSame(moved, known)) return;
      await replaceDurably(pathOf(this.#root, family), `${JSON.stringify(moved)}\n`);
      this.#note(family, moved);
    });
  }

  /** Calls back with the family after each move, here or elsewhere. */
  onMove(listener: (family: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #look(family: string): Promise<VersionPointer | undefined> {
    return this.#inTurn(async () => {
      const pointer = await readVersionPointer(this.#root, family);
      this.#note(family, pointer);
      return pointer;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  #note(family: string, pointer: VersionPointer | undefined): void {
    if (isSame(pointer, this.#known.get(family))) return;
    this.#known.set(family, pointer);
    for (const listener of [...this.#listeners]) listener(family);
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
  }
}

/** What the pointer says now, for whoever looks once. Throws TIDEMARK_STORE_CORRUPT for what is no pointer. */
export async function readVersionPointer(root: string, family: string): Promise<VersionPointer | undefined> {
  const path = pathOf(root, family);
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  const found = parse(text);
  if (found !== undefined) return found;
  throw new TidemarkError(
    "TIDEMARK_STORE_CORRUPT",
    `"${path}" names no version of a view: ${text.slice(0, 100)}; it must be as {"active":2,"former":1}`,
  );
}

function pathOf(root: string, family: string): string {
  if (!familyPattern.test(family)) throw new Error(`"${family}" names no family of versions`);
  return join(root, `${family}.json`);
}

function parse(text: string): VersionPointer | undefined {
  try {
    const { active, former } = JSON.parse(text) as { readonly active?: unknown; readonly former?: unknown };
    return isVersion(active) && (former === null || isVersion(former)) ? { active, former } : undefined;
  } catch {
    return undefined;
  }
}

function isVersion(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= greatestVersion;
}

function isSame(a: VersionPointer | undefined, b: VersionPointer | undefined): boolean {
  return a?.active === b?.active && a?.former === b?.former;
}
