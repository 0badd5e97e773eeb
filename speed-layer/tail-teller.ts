import { setTimeout as pause } from "node:timers/promises";
import type { Chain } from "../infra/tail/chain.ts";
import type { TailSegment } from "../infra/tail/segment.ts";
import { type EncodedRow, encodeRow } from "../infra/tail/tail-record.ts";
import { packRows, type Telling, type ToldChain } from "../infra/tail/telling.ts";
import type { View } from "../views/view.ts";
import type { TailSegments } from "./segments.ts";

export interface TailTellerOptions {
  readonly tail: TailSegments;
  /** Those of the app that are folded. */
  readonly views: readonly View[];
  /** Resolves once the other thread holds it. */
  readonly tell: (telling: Telling) => Promise<void>;
  /** Whether more is to be folded at once than what was. */
  readonly isBehind: () => boolean;
}

/** Shortest rest between two tellings, in milliseconds. */
const minRestMs = 5;
/** And from the beginning of one to the next while the fold is behind: what it folds next changes most of the same states again. */
const behindGapMs = 500;
/** What is unpacked at once, while queries wait. */
const rowsPerPack = 250;

/** Tells another thread what becomes of the chains that this one folds: see `Telling`. */
export class TailTeller implements AsyncDisposable {
  /** Rejects when it can't go on; resolves once disposed of. */
  readonly done: Promise<void>;
  readonly #options: TailTellerOptions;
  readonly #ids = new WeakMap<TailSegment, number>();
  #lastId = 0;
  /** What was told of each chain. */
  readonly #told = new Map<Chain, string>();
  readonly #stop = new AbortController();
  readonly #advance: Disposable;
  #askers: (() => void)[] = [];
  #wake: () => void = () => {};

  constructor(options: TailTellerOptions) {
    this.#options = options;
    this.#advance = options.tail.onAdvance(() => this.#wake());
    this.done = this.#run();
    this.done.catch(() => {});
  }

  /** Resolves once all that the chains hold by now is told, or this is disposed of. */
  told(): Promise<void> {
    return new Promise((resolve) => {
      this.#askers.push(resolve);
      this.#wake();
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      // Made before looking: what changes meanwhile is not slept over.
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const start = performance.now();
      const askers = this.#askers.splice(0);
      try {
        await this.#tell();
        for (const told of askers) told();
        // Telling takes half of the time at most.
        await pause(Math.max(minRestMs, performance.now() - start), undefined, { signal });
      } catch (error) {
        for (const told of askers) told();
        if (signal.aborted) return;
        throw error;
      }
      await woken;
      await this.#caughtUp(start + behindGapMs);
    }
  }

  /** Or somebody waits to have it told; at that time at the latest. */
  #caughtUp(atLatest: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, atLatest - performance.now());
      this.#wake = () => {
        if (this.#options.isBehind() && this.#askers.length === 0 && !this.#stop.signal.aborted) return;
        clearTimeout(timer);
        resolve();
      };
      this.#wake();
    });
  }

  async #tell(): Promise<void> {
    const telling = this.#telling();
    if (telling.views.length > 0) await this.#options.tell(telling);
  }

  /** All of one moment: the thread is not given up. */
  #telling(): Telling {
    const { views, tail } = this.#options;
    const rows: Uint8Array<ArrayBuffer>[] = [];
    const told = views.map((view, number) => ({
      view: number,
      chains: tail.chainsOf(view).flatMap((chain) => this.#toldOf(chain, rows) ?? []),
    }));
    return { rows, views: told.filter(({ chains }) => chains.length > 0) };
  }

  /** Undefined where nothing has changed since. */
  #toldOf(chain: Chain, rows: Uint8Array<ArrayBuffer>[]): ToldChain | undefined {
    const fresh = new Set(chain.segments.filter((segment) => !this.#ids.has(segment)));
    const segments = chain.segments.map((segment) => {
      const { from, next, isSealed } = segment;
      return { id: this.#idOf(segment), from, next, isSealed };
    });
    const all = segments.map(({ id, next, isSealed }) => `${id} ${next} ${isSealed}`).join();
    if (this.#told.get(chain) === all) return undefined;
    this.#told.set(chain, all);
    for (const segment of chain.segments) this.#packRows(segment, fresh.has(segment), rows);
    return { partition: chain.partition, segments };
  }

  #packRows(segment: TailSegment, isNew: boolean, packed: Uint8Array<ArrayBuffer>[]): void {
    const id = this.#idOf(segment);
    // The first time it means nothing but that it is to be asked again.
    const changed = segment.takeChanged();
    let rows: EncodedRow[] = [];
    const pack = () => {
      if (rows.length > 0) packed.push(packRows({ id, rows }));
      rows = [];
    };
    for (const entry of isNew ? segment.entries() : changed) {
      rows.push(encodeRow(entry));
      if (rows.length === rowsPerPack) pack();
    }
    pack();
  }

  #idOf(segment: TailSegment): number {
    const id = this.#ids.get(segment) ?? ++this.#lastId;
    this.#ids.set(segment, id);
    return id;
  }

  /** What is not told by now is told to nobody. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wake();
    this.#advance[Symbol.dispose]();
    await this.done.catch(() => {});
    for (const told of this.#askers) told();
  }
}
