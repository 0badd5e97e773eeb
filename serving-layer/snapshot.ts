import type { GenerationReader, Generations, Manifest } from "../infra/generations/generations.ts";
import type { Segment, Tail } from "../infra/tail/tail.ts";
import type { Cut } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { isFolded, isRecomputed } from "../views/layers.ts";
import { familiesOf, needsGeneration } from "../views/version.ts";
import type { View } from "../views/view.ts";
import { building } from "./building.ts";
import type { Clock } from "./clock.ts";
import { formatOwn } from "./provenance.ts";

/** What answers of a view rest on: one generation, or none, and the cut from which the tail goes on. */
export interface Snapshot {
  readonly view: View;
  readonly reader: GenerationReader | undefined;
  readonly cut: Cut;
  /** The cut as answers name it. */
  readonly cutText: string;
  /** Of the view, where the app declares several; answers then say which they are of. */
  readonly version: number | undefined;
}

/** A snapshot and how many queries hold it; a retired one's reader is closed by the last that lets go. */
interface Held {
  readonly snapshot: Snapshot;
  holders: number;
  isRetired: boolean;
}

interface ViewState {
  readonly view: View;
  /** Undefined until a first generation, or the lack of one, is known and the tail reaches down to it. */
  serving: Held | undefined;
  /** Opened, and waiting for the tail to have a boundary at its cut. */
  next: Held | undefined;
  /** Counts the pointer's moves, so that a slow opening does not overtake a later one. */
  moves: number;
  failure: string | undefined;
  /** It needs a generation and has none yet; or all of it is to be folded, and is not yet. */
  isBuilding: boolean;
}

const reopenMs = 1_000;

export interface SnapshotParts {
  readonly views: readonly View[];
  readonly generations: Generations;
  readonly tail: Tail;
  readonly clock: Clock;
  /** Told of generations that could not be opened or closed. */
  readonly warn: (message: string, error: unknown) => void;
}

/**
 * Per view the snapshot that serves. When the pointer names another generation, it is opened aside; generation and tail
 * switch together once the tail has a boundary at the new cut. Until then the former snapshot serves.
 */
export class Snapshots implements AsyncDisposable {
  readonly #parts: SnapshotParts;
  readonly #states: ReadonlyMap<View, ViewState>;
  readonly #families: ReadonlyMap<string, readonly View[]>;
  readonly #listeners = new Set<() => void>();
  readonly #ends: Disposable[] = [];
  readonly #closing = new Set<Promise<void>>();
  #isClosed = false;

  constructor(parts: SnapshotParts) {
    this.#parts = parts;
    const fresh = { serving: undefined, next: undefined, moves: 0, failure: undefined, isBuilding: false };
    this.#states = new Map(
      parts.views.map((view) => [view, { view, ...fresh, isBuilding: !isRecomputed(view) }]),
    );
    this.#families = familiesOf(parts.views);
    this.#ends.push(
      parts.generations.watch(
        parts.views.filter(isRecomputed),
        (view, manifest) => void this.#aim(this.#state(view), manifest),
      ),
      parts.tail.onAdvance(() => this.#advance()),
    );
    for (const state of this.#states.values())
      if (!isRecomputed(state.view)) void this.#aim(state, undefined);
  }

  /** Throws TIDEMARK_NOT_READY while there is nothing to serve, TIDEMARK_VIEW_BUILDING while there can't be. */
  serving(view: View): Snapshot {
    const { serving, failure, isBuilding } = this.#state(view);
    if (serving !== undefined) return serving.snapshot;
    if (isBuilding && isRecomputed(view)) throw building(view);
    throw notReady(failure ?? `view "${view.name}": the speed layer is still ${whatIsRead(view)}`);
  }

  /** The snapshot for the generation alone, which needs no tail; undefined if there is no generation. */
  batch(view: View): (Snapshot & { readonly reader: GenerationReader }) | undefined {
    const { serving, next } = this.#state(view);
    const { snapshot } = serving?.snapshot.reader === undefined ? (next ?? {}) : serving;
    return snapshot?.reader === undefined ? undefined : { ...snapshot, reader: snapshot.reader };
  }

  /** Whether the view can't be answered before a batch run has made its first generation, or all records are folded. */
  isBuilding(view: View): boolean {
    return this.#state(view).isBuilding;
  }

  /** Up to where records have a part in the view's answers: those folded, or of a view without a tail the generation's. */
  position(view: View): Cut {
    return isFolded(view) ? this.#parts.tail.position(view) : (this.batch(view)?.cut ?? {});
  }

  /** Opens the view's first generation, if there is one: whoever waited for a run may ask before the pointers are looked at. */
  async look(view: View): Promise<void> {
    if (!isRecomputed(view) || this.batch(view) !== undefined) return;
    const current = await this.#parts.generations.current(view);
    if (current !== undefined && this.batch(view) === undefined) await this.#aim(this.#state(view), current);
  }

  /** Resolves once every view is served from the generation that its pointer names, or when the time is over. */
  async followed(withinMs: number): Promise<void> {
    const pointed = new Map<View, string>();
    for (const view of this.#parts.views) {
      const current = await this.#parts.generations.current(view);
      if (current !== undefined) pointed.set(view, current.id);
    }
    const isServed = ([view, id]: readonly [View, string]) =>
      this.#state(view).serving?.snapshot.reader?.manifest.id === id;
    await new Promise<void>((resolve) => {
      const look = () => {
        if ([...pointed].every(isServed)) end();
      };
      const ends = [this.onChange(look), this.#parts.clock.after(withinMs, () => end())];
      const end = () => {
        for (const each of ends) each[Symbol.dispose]();
        resolve();
      };
      look();
    });
  }

  /** The tail's segments from the snapshot's cut on, of this moment. Throws TIDEMARK_NOT_READY if there are none. */
  segments({ view, cut }: Snapshot): readonly Segment[] {
    const segments = this.#parts.tail.segments(view, cut);
    if (segments !== undefined) return segments;
    const how = isRecomputed(view) ? "aligning itself to the generation" : whatIsRead(view);
    throw notReady(`view "${view.name}": the speed layer is ${how}`);
  }

  /** Keeps the snapshot's generation open until disposed of. Not needed by who does not give up the thread. */
  hold(snapshot: Snapshot): Disposable {
    const { serving, next } = this.#state(snapshot.view);
    const held = [serving, next].find((candidate) => candidate?.snapshot.reader === snapshot.reader);
    if (held === undefined) throw new Error("only a snapshot that has just been asked for can be held");
    held.holders++;
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        held.holders--;
        this.#closeIfUnused(held);
      },
    };
  }

  /** Why the view can't be answered just now; undefined if it can. */
  unready(view: View): string | undefined {
    try {
      this.segments(this.serving(view));
      return undefined;
    } catch (error) {
      if (error instanceof TidemarkError) return error.message;
      throw error;
    }
  }

  /** Calls back after a position has moved or a snapshot was switched. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const end of this.#ends) end[Symbol.dispose]();
    for (const state of this.#states.values()) {
      this.#retire(state.serving);
      this.#retire(state.next);
      state.serving = undefined;
      state.next = undefined;
    }
    await Promise.all(this.#closing);
  }

  #state(view: View): ViewState {
    const state = this.#states.get(view);
    if (state === undefined) throw new Error(`view "${view.name}" is not of this app`);
    return state;
  }

  async #aim(state: ViewState, manifest: Manifest | undefined): Promise<void> {
    const move = ++state.moves;
    if (isRecomputed(state.view)) {
      state.isBuilding = manifest === undefined && needsGeneration(state.view) && state.serving === undefined;
      if (state.isBuilding) return;
    }
    let reader: GenerationReader | undefined;
    try {
      reader = manifest && (await this.#parts.generations.open(state.view, manifest.id));
    } catch (error) {
      this.#parts.warn(`generation ${manifest?.id} of view "${state.view.name}" can't be opened`, error);
      state.failure = `view "${state.view.name}": its generation ${manifest?.id} can't be opened; it is tried again every second`;
      this.#parts.clock.after(reopenMs, () => {
        if (state.moves === move && !this.#isClosed) void this.#aim(state, manifest);
      });
      return;
    }
    const held: Held = {
      snapshot: this.at(state.view, reader, manifest?.cut ?? {}),
      holders: 0,
      isRetired: false,
    };
    if (state.moves !== move || this.#isClosed) return this.#retire(held);
    state.failure = undefined;
    this.#retire(state.next);
    state.next = held;
    this.#advance();
  }

  /** One of the reader's generation, whoever opened that. */
  at(view: View, reader: GenerationReader | undefined, cut: Cut = reader?.manifest.cut ?? {}): Snapshot {
    const hasSeveral = (this.#families.get(view.family)?.length ?? 0) > 1;
    const version = hasSeveral ? view.version : undefined;
    return Object.freeze({ view, reader, cut, cutText: formatOwn(view, cut), version });
  }

  #advance(): void {
    for (const state of this.#states.values()) this.#switchIfAligned(state);
    for (const listener of [...this.#listeners]) listener();
  }

  #switchIfAligned(state: ViewState): void {
    const { view, serving, next } = state;
    if (next === undefined || this.#parts.tail.segments(view, next.snapshot.cut) === undefined) return;
    state.serving = next;
    state.next = undefined;
    state.isBuilding = false;
    this.#parts.tail.release(view, next.snapshot.cut);
    this.#retire(serving);
  }

  #retire(held: Held | undefined): void {
    if (held === undefined) return;
    held.isRetired = true;
    this.#closeIfUnused(held);
  }

  #closeIfUnused({ snapshot, holders, isRetired }: Held): void {
    if (!isRetired || holders > 0 || snapshot.reader === undefined) return;
    const closing = Promise.resolve(snapshot.reader[Symbol.asyncDispose]())
      .catch((error) =>
        this.#parts.warn(`a generation of view "${snapshot.view.name}" can't be closed`, error),
      )
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

function whatIsRead(view: View): string {
  return isRecomputed(view)
    ? "reading the log up to where the generation ends"
    : "folding the records that came first";
}

function notReady(reason: string): TidemarkError {
  return new TidemarkError("TIDEMARK_NOT_READY", reason);
}
