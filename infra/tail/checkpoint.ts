import { mkdir } from "node:fs/promises";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { App } from "../../views/app.ts";
import type { Offset } from "../../views/cut.ts";
import { isFolded } from "../../views/layers.ts";
import { viewPartition } from "../../views/mapping.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import {
  decodeHeader,
  encodeHeader,
  type Headers,
  openHeaders,
  openRoot,
  openSlot,
  partitionIn,
  putRow,
  type Root,
  readRows,
  type SegmentHeader,
  type Slot,
} from "./checkpoint-layout.ts";
import { TailSegment } from "./segment.ts";

/** A segment as it is at one moment, and which of its rows changed since the moment before. */
export interface SegmentChange {
  readonly segment: TailSegment;
  readonly next: Offset;
  readonly isSealed: boolean;
  /** Read once. */
  readonly rows: Iterable<StateRow>;
}

/** What changed in a chain of segments, all of one moment. */
export interface ChainChanges {
  readonly segments: readonly SegmentChange[];
  readonly dropped: readonly TailSegment[];
}

export interface ChangingChain {
  /** Undefined: nothing changed since the last time. */
  takeChanges(): ChainChanges | undefined;
}

/** How long encoding may hold the thread, in milliseconds. */
const sliceMs = 1;
/** For how long others have it then, while nobody waits for the write. */
const restMs = 4;

/**
 * The speed layer's segments on disk, with the positions up to which they are folded: written together, in one
 * transaction per checkpoint, so that a restart counts nothing twice and leaves nothing out. One process writes;
 * others may read meanwhile (`SealedTailReader`).
 */
export class TailCheckpoint implements AsyncDisposable {
  readonly #root: Root;
  readonly #headers: Headers;
  readonly #views: readonly View[];
  readonly #slots = new Map<TailSegment, number>();
  readonly #databases = new Map<number, Slot>();
  readonly #free: number[] = [];
  #slotCount = 0;
  #last: Promise<void> = Promise.resolve();
  /** How many wait for writes. */
  #waiting = 0;

  private constructor(root: Root, headers: Headers, views: readonly View[]) {
    this.#root = root;
    this.#headers = headers;
    this.#views = views;
  }

  static async open(options: { readonly path: string; readonly app: App }): Promise<TailCheckpoint> {
    await mkdir(options.path, { recursive: true });
    const root = openRoot(options.path, options.app, false);
    return new TailCheckpoint(root, openHeaders(root) as Headers, options.app.views.filter(isFolded));
  }

  /**
   * The segments of the app's views as last written. Those of other views, of other meanings of them, or of
   * views that are folded no more, are dropped.
   */
  async load(): Promise<readonly TailSegment[]> {
    const segments: TailSegment[] = [];
    const stale: number[] = [];
    const headers = [...this.#headers.getRange()].map(
      ({ key, value }) => [key, decodeHeader(value)] as const,
    );
    this.#slotCount = 1 + headers.reduce((most, [slot]) => Math.max(most, slot), -1);
    const used = new Set(headers.map(([slot]) => slot));
    for (let slot = this.#slotCount - 1; slot >= 0; slot--) if (!used.has(slot)) this.#free.push(slot);
    for (const [slot, header] of headers) {
      const view = this.#views.find((candidate) => partitionIn(candidate, header) !== undefined);
      const partition = view && partitionIn(view, header);
      if (view === undefined || partition === undefined) {
        stale.push(slot);
        continue;
      }
      const segment = await this.#restore(view, partition, header, slot);
      this.#slots.set(segment, slot);
      segments.push(segment);
    }
    await this.#root.childTransaction(() => {
      for (const slot of stale) this.#empty(slot);
    });
    this.#free.push(...stale);
    return segments;
  }

  async #restore(view: View, partition: number, header: SegmentHeader, slot: number): Promise<TailSegment> {
    const segment = new TailSegment(view, partition, header.from, header.next);
    let rows = 0;
    for (const { dimensions, pane, cells } of readRows(this.#database(slot), view.columns)) {
      segment.restoreRow(dimensions, pane, cells);
      if (++rows % 10_000 === 0) await setImmediate();
    }
    if (header.isSealed) segment.seal();
    return segment;
  }

  /**
   * Writes what changed in the chains, in one transaction; durable and visible to readers once resolved. Each chain is asked
   * when its turn comes: its states and its position are of one moment, different chains may be of different ones.
   * Changes are taken once: where one write fails, so do all after it.
   */
  async write(chains: readonly ChangingChain[]): Promise<void> {
    this.#last = this.#last.then(() => this.#write(chains));
    await this.written();
  }

  /** The same with rests in between, until somebody waits for what is written. */
  writeAtLeisure(chains: readonly ChangingChain[]): Promise<void> {
    this.#last = this.#last.then(() => this.#write(chains));
    return this.#last;
  }

  /** Resolves once all writes so far are durable. */
  async written(): Promise<void> {
    this.#waiting++;
    try {
      await this.#last;
    } finally {
      this.#waiting--;
    }
  }

  async #write(chains: readonly ChangingChain[]): Promise<void> {
    const emptied: number[] = [];
    let sliceStart = performance.now();
    // A child transaction, since only of those lmdb undoes the whole when the callback throws.
    await this.#root.childTransaction(async () => {
      for (const chain of chains) {
        const changes = chain.takeChanges();
        if (changes === undefined) continue;
        for (const segment of changes.dropped) emptied.push(...this.#drop(segment));
        for (const { segment, next, isSealed, rows } of changes.segments) {
          const slot = this.#slotOf(segment);
          const database = this.#database(slot);
          let row = 0;
          for (const changed of rows) {
            putRow(database, changed);
            if (++row % 64 === 0 && performance.now() - sliceStart > sliceMs) {
              await (this.#waiting > 0 ? setImmediate() : setTimeout(restMs));
              sliceStart = performance.now();
            }
          }
          this.#headers.put(slot, encodeHeader(headerOf(segment, next, isSealed)));
        }
      }
    });
    this.#free.push(...emptied);
  }

  #drop(segment: TailSegment): readonly number[] {
    const slot = this.#slots.get(segment);
    if (slot === undefined) return [];
    this.#slots.delete(segment);
    this.#empty(slot);
    return [slot];
  }

  #empty(slot: number): void {
    this.#database(slot).clearSync();
    this.#headers.remove(slot);
  }

  #slotOf(segment: TailSegment): number {
    let slot = this.#slots.get(segment);
    if (slot === undefined) {
      slot = this.#free.pop() ?? this.#slotCount++;
      this.#slots.set(segment, slot);
    }
    return slot;
  }

  #database(slot: number): Slot {
    let database = this.#databases.get(slot);
    if (database === undefined) {
      database = openSlot(this.#root, slot) as Slot;
      this.#databases.set(slot, database);
    }
    return database;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A write that failed was told to who asked for it.
    await this.#last.catch(() => undefined);
    await this.#root.close();
  }
}

function headerOf(segment: TailSegment, next: Offset, isSealed: boolean): SegmentHeader {
  const { view, from } = segment;
  const { topic, partition } = viewPartition(view, segment.partition);
  return {
    view: view.name,
    fingerprint: view.fingerprint,
    topic,
    partition,
    from,
    next,
    isSealed,
  };
}
