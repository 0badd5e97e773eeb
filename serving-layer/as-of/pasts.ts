import type { Generations, Manifest } from "../../infra/generations/generations.ts";
import type { Segment } from "../../infra/tail/tail.ts";
import type { Cut } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { isRecomputed } from "../../views/layers.ts";
import type { View } from "../../views/view.ts";
import type { Clock } from "../clock.ts";
import type { Layer } from "../layer.ts";
import { formatOwn } from "../provenance.ts";
import type { Snapshot, Snapshots } from "../snapshot.ts";
import type { AsOf } from "./as-of.ts";
import { type FoundPast, findPast } from "./find-past.ts";
import { type FoldRange, PastFolds } from "./fold-past.ts";
import { defaultPastLimits, type PastLimits } from "./past-limits.ts";

/** What an answer as of the past rests on; to be disposed of, since it keeps the generation open. */
export interface Past extends Disposable {
  readonly snapshot: Snapshot;
  /** From the snapshot's cut to the position. */
  readonly segments: readonly Segment[];
  readonly position: Cut;
  /** As it was asked for. */
  readonly asOf: string;
}

type Opened = Pick<Past, "snapshot" | "segments">;

/** One that is open, or being opened; one that is forgotten is closed by the last that lets go. */
interface Kept {
  readonly opened: Promise<Opened>;
  entries: number;
  holders: number;
  isForgotten: boolean;
  /** Ends it if nobody asks for it meanwhile. */
  idle: Disposable | undefined;
}

export interface PastsParts {
  readonly generations: Pick<Generations, "list" | "open">;
  readonly snapshots: Pick<Snapshots, "at">;
  readonly fold: FoldRange | undefined;
  readonly limits?: Partial<PastLimits>;
  readonly clock: Pick<Clock, "after">;
  /** Told of generations that could not be closed. */
  readonly warn: (message: string, error: unknown) => void;
}

/**
 * Views as they were: a kept generation, and the records from its cut to the past cut, folded. The last ones are kept, since a
 * page's next request asks for the same.
 */
export class Pasts implements AsyncDisposable {
  readonly #parts: PastsParts;
  readonly #limits: PastLimits;
  readonly #folds: PastFolds;
  /** By view, generation and position; that which was used last is the last. */
  readonly #kept = new Map<string, Kept>();
  readonly #closing = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(parts: PastsParts) {
    this.#parts = parts;
    this.#limits = { ...defaultPastLimits, ...parts.limits };
    this.#folds = new PastFolds(parts.fold, this.#limits);
  }

  /**
   * The view as it was, for an answer of this layer; `end` is where the log ends. Throws TIDEMARK_GENERATION_UNKNOWN,
   * TIDEMARK_ASOF_AHEAD, _COSTLY and _BUSY; TIDEMARK_QUERY_NO_GENERATION if the layer is `batch` and no generation lies there.
   */
  async open(view: View, layer: Layer, asOf: AsOf, end: Cut): Promise<Past> {
    // What was made of a view while it was declared otherwise has no part in answers of the speed layer alone.
    const kept = isRecomputed(view) ? await this.#parts.generations.list(view.name) : [];
    const found = findPast(view, asOf, kept, end);
    const { generation, position } = found;
    if (layer === "batch" && generation === undefined) throw noGeneration(view, position);
    try {
      // Of the batch layer nothing is folded.
      const held = layer === "batch" ? { generation, position: generation?.cut ?? {} } : found;
      return { ...(await this.#hold(view, held, kept)), position, asOf: asOf.text };
    } catch (error) {
      const listed = await this.#parts.generations.list(view.name);
      const isPruned = generation !== undefined && !listed.some(({ id }) => id === generation.id);
      if (!isPruned) throw error;
      return this.open(view, layer, asOf, end);
    }
  }

  /** Keeps nothing of what was: whoever asks again has it folded again. */
  forgetAll(): void {
    for (const key of [...this.#kept.keys()]) this.#forget(key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new TidemarkError("TIDEMARK_NOT_READY", "the server is stopping"));
    this.forgetAll();
    await Promise.all(this.#closing);
  }

  async #hold(view: View, found: FoundPast, listed: readonly Manifest[]): Promise<Opened & Disposable> {
    const key = `${view.name} ${found.generation?.id ?? ""} ${formatOwn(view, found.position)}`;
    const kept = this.#kept.get(key) ?? {
      opened: this.#make(view, found, listed),
      entries: 0,
      holders: 0,
      isForgotten: false,
      idle: undefined,
    };
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    kept.holders++;
    kept.idle?.[Symbol.dispose]();
    kept.idle = this.#parts.clock.after(this.#limits.idleMs, () => this.#forget(key));
    try {
      const opened = await kept.opened;
      kept.entries = opened.segments.reduce((sum, { size }) => sum + size, 0);
      this.#forgetMany();
      return { ...opened, [Symbol.dispose]: this.#releaseOnce(kept) };
    } catch (error) {
      if (this.#kept.get(key) === kept) this.#forget(key);
      this.#releaseOnce(kept)();
      throw error;
    }
  }

  async #make(view: View, found: FoundPast, listed: readonly Manifest[]): Promise<Opened> {
    const { generation } = found;
    const reader = generation && (await this.#parts.generations.open(view, generation.id));
    try {
      const segments = await this.#folds.segments(view, found, listed, this.#stop.signal);
      return { snapshot: this.#parts.snapshots.at(view, reader), segments };
    } catch (error) {
      await reader?.[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Those that were not asked for of late, as many as are too many. */
  #forgetMany(): void {
    let entries = [...this.#kept.values()].reduce((sum, kept) => sum + kept.entries, 0);
    for (const [key, kept] of this.#kept) {
      if (this.#kept.size <= this.#limits.kept && entries <= this.#limits.entries) return;
      entries -= kept.entries;
      this.#forget(key);
    }
  }

  #forget(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    kept.isForgotten = true;
    kept.idle?.[Symbol.dispose]();
    this.#closeIfUnused(kept);
  }

  #releaseOnce(kept: Kept): () => void {
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      kept.holders--;
      this.#closeIfUnused(kept);
    };
  }

  #closeIfUnused({ opened, holders, isForgotten }: Kept): void {
    if (!isForgotten || holders > 0) return;
    const closing = opened
      .then(
        ({ snapshot }) => snapshot.reader?.[Symbol.asyncDispose](),
        () => undefined,
      )
      .catch((error) => this.#parts.warn("a generation of the past can't be closed", error))
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

function noGeneration(view: View, position: Cut): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_QUERY_NO_GENERATION",
    `view "${view.name}" has no generation that is kept and lies at or before ${formatOwn(view, position)}: ask without layer=batch`,
  );
}
