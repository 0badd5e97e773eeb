import type {
  DeadLetter,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetters,
  NewDeadLetter,
} from "../../infra/dead-letters/dead-letters.ts";
import type { GenerationReader, Generations, Manifest } from "../../infra/generations/generations.ts";
import type { Log } from "../../infra/log/log.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import type { Segment, Tail } from "../../infra/tail/tail.ts";
import { type Cut, cutsEqual, type Offset } from "../../views/cut.ts";
import type { Scalar } from "../../views/expression.ts";
import { compareKeys, groupKey, storageKey } from "../../views/key.ts";
import { isFolded } from "../../views/layers.ts";
import { offsetIn, viewPartition } from "../../views/mapping.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import { mergeState, type View, zeroState } from "../../views/view.ts";

/** The stores' contracts over plain arrays: what a query is asked of is there to be seen in the test. */

/** States of rows by key, in the index's order. */
export function rollUp(view: View, rows: readonly StateRow[]): StateRow[] {
  const states = new Map<string, { dimensions: readonly Scalar[]; pane: number; cells: Cell[] }>();
  for (const { dimensions, pane, cells } of rows) {
    const key = `${pane}|${groupKey(view.dimensions, dimensions)}`;
    const state = states.get(key) ?? { dimensions, pane, cells: zeroState(view) };
    mergeState(view, state.cells, cells);
    states.set(key, state);
  }
  return [...states.values()].sort(
    (a, b) => compareKeys(storageKey(a.dimensions), storageKey(b.dimensions)) || a.pane - b.pane,
  );
}

type Drift = readonly (Omit<StateRow, "cells"> & { readonly cells: readonly Cell[] | null })[];

export class PlainReader implements GenerationReader {
  readonly manifest: Manifest;
  readonly statesPaths = ["/nowhere"];
  isClosed = false;
  readonly #rows: readonly StateRow[];
  readonly #drift: Drift;

  constructor(manifest: Manifest, rows: readonly StateRow[], drift: Drift) {
    this.manifest = manifest;
    this.#rows = rows;
    this.#drift = drift;
  }

  group(
    dimensions: readonly Scalar[],
    from: number | undefined,
    to: number | undefined,
  ): readonly StateRow[] {
    return [...this.scan(dimensions, from, to)];
  }

  *scan(prefix: readonly Scalar[], from: number | undefined, to: number | undefined): Iterable<StateRow> {
    for (const row of this.#rows) {
      if (this.isClosed) throw new Error("read after close");
      if (!prefix.every((value, i) => row.dimensions[i] === value)) continue;
      if ((from === undefined || row.pane >= from) && (to === undefined || row.pane < to)) yield row;
    }
  }

  drift(): Drift {
    return this.#drift;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true;
  }
}

interface Stored {
  readonly manifest: Manifest;
  readonly rows: readonly StateRow[];
  readonly drift: Drift;
}

export class PlainGenerations implements Generations {
  readonly readers: PlainReader[] = [];
  readonly #stored = new Map<string, Stored>();
  readonly #pointers = new Map<string, string>();
  readonly #watches = new Set<(name: string) => void>();

  /** Stores a generation; the pointer stays where it is. */
  add(
    view: View,
    id: string,
    cut: Cut,
    rows: readonly StateRow[],
    more: Partial<Manifest> & { drift?: Drift } = {},
  ) {
    const { drift = [], ...others } = more;
    const states = rollUp(view, rows);
    const panes = states.map(({ pane }) => pane);
    const manifest: Manifest = {
      id,
      view: view.name,
      fingerprint: view.fingerprint,
      cut,
      run: "run-1",
      createdAt: "2001-01-01T00:00:00.000Z",
      rows: states.length,
      records: rows.length,
      panes: panes.length === 0 ? null : { first: Math.min(...panes), last: Math.max(...panes) },
      computeMs: 1,
      reconciliation: {
        kind: "compared",
        against: null,
        keys: 0,
        differing: drift.length,
        largestDrift: 0,
        examples: [],
      },
      ...others,
    };
    this.#stored.set(`${view.name}/${id}`, { manifest, rows: states, drift });
    return manifest;
  }

  async list(view: string): Promise<readonly Manifest[]> {
    return [...this.#stored.values()]
      .map(({ manifest }) => manifest)
      .filter((manifest) => manifest.view === view)
      .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  }

  async current(view: View): Promise<Manifest | undefined> {
    return this.#current(view);
  }

  async open(view: View, id: string): Promise<PlainReader> {
    const stored = this.#stored.get(`${view.name}/${id}`);
    if (stored === undefined) throw new Error(`no generation ${id}`);
    const reader = new PlainReader(stored.manifest, stored.rows, stored.drift);
    this.readers.push(reader);
    return reader;
  }

  async point(view: string, id: string): Promise<void> {
    this.#pointers.set(view, id);
    for (const watch of this.#watches) watch(view);
  }

  watch(views: readonly View[], changed: (view: View, current: Manifest | undefined) => void): Disposable {
    const watch = (name: string) => {
      const view = views.find((candidate) => candidate.name === name);
      if (view !== undefined) changed(view, this.#current(view));
    };
    this.#watches.add(watch);
    queueMicrotask(() => {
      for (const { name } of views) watch(name);
    });
    return { [Symbol.dispose]: () => void this.#watches.delete(watch) };
  }

  #current(view: View): Manifest | undefined {
    return this.#stored.get(`${view.name}/${this.#pointers.get(view.name)}`)?.manifest;
  }
}

/** One piece of a tail: rows of one partition, which count as records `[from, next)`. */
export interface Piece {
  readonly partition: number;
  readonly from: number;
  readonly next: number;
  readonly rows: readonly StateRow[];
}

export function plainSegment(view: View, { partition, from, next, rows }: Piece): TailSegment {
  const segment = new TailSegment(view, partition, from as Offset, next as Offset);
  for (const row of rows) segment.mergeRow(row);
  return segment;
}

/** A tail of pieces that can be given more. Boundaries lie where pieces begin. */
export class PlainTail implements Tail {
  version = 0;
  readonly released: Cut[] = [];
  readonly #segments = new Map<View, Segment[]>();
  readonly #listeners = new Set<() => void>();

  put(view: View, pieces: readonly Piece[]): void {
    this.putSegments(
      view,
      pieces.map((piece) => plainSegment(view, piece)),
    );
  }

  putSegments(view: View, segments: readonly Segment[]): void {
    this.#segments.set(view, [...(this.#segments.get(view) ?? []), ...segments]);
    this.advance();
  }

  /** Forgets what the view had, as a speed layer does that jumps forward. */
  drop(view: View): void {
    this.#segments.delete(view);
    this.advance();
  }

  advance(): void {
    this.version++;
    for (const listener of [...this.#listeners]) listener();
  }

  segments(view: View, cut: Cut): readonly Segment[] | undefined {
    if (!isFolded(view)) return [];
    const segments = (this.#segments.get(view) ?? []).filter(
      ({ partition, from }) => from >= offsetIn(cut, view, partition),
    );
    const starts = view.partitions.map((_, p) =>
      segments
        .filter(({ partition }) => partition === p)
        .reduce((least, { from }) => Math.min(least, from), Infinity),
    );
    const position = this.position(view);
    const isAligned = starts.every((start, p) => {
      const at = offsetIn(cut, view, p);
      return start === at || (start === Infinity && offsetIn(position, view, p) === at);
    });
    return isAligned ? segments : undefined;
  }

  position(view: View): Cut {
    if (!isFolded(view)) return {};
    const cut: Record<string, Offset[]> = {};
    for (const { event } of view.mappings) cut[event.name] = Array(event.partitions).fill(0);
    for (const { partition: number, next } of this.#segments.get(view) ?? []) {
      const { topic, partition } = viewPartition(view, number);
      const nexts = cut[topic] ?? [];
      nexts[partition] = Math.max(nexts[partition] ?? 0, next) as Offset;
    }
    return cut;
  }

  release(_view: View, cut: Cut): void {
    if (!this.released.some((other) => cutsEqual(cut, other))) this.released.push(cut);
  }

  onAdvance(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}

/** A log of which only where it begins and ends is asked. */
export class PlainLog implements Log {
  readonly topics: Log["topics"];
  readonly begins: Map<string, readonly Offset[]>;
  readonly ends: Map<string, readonly Offset[]>;
  readonly #listeners = new Set<() => void>();

  constructor(views: readonly View[]) {
    this.topics = [...new Set(views.flatMap(({ mappings }) => mappings.map(({ event }) => event)))];
    this.begins = new Map(this.topics.map(({ name, partitions }) => [name, Array(partitions).fill(0)]));
    this.ends = new Map(this.topics.map(({ name, partitions }) => [name, Array(partitions).fill(0)]));
  }

  async starts(topic: string): Promise<readonly Offset[]> {
    return this.begins.get(topic) ?? [];
  }

  async nexts(topic: string): Promise<readonly Offset[]> {
    return this.ends.get(topic) ?? [];
  }

  onAdvance(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** As a log does that hears of each commit. */
  advanceTo(topic: string, nexts: readonly number[]): void {
    this.ends.set(topic, nexts as readonly Offset[]);
    for (const listener of this.#listeners) listener();
  }

  append(): never {
    throw new Error("only where it begins and ends is asked");
  }

  read(): never {
    throw new Error("only where it begins and ends is asked");
  }

  consume(): never {
    throw new Error("only where it begins and ends is asked");
  }

  trim(): never {
    throw new Error("only where it begins and ends is asked");
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export class PlainDeadLetters implements DeadLetters {
  readonly letters: DeadLetter[] = [];

  async put(letters: readonly NewDeadLetter[]): Promise<void> {
    for (const letter of letters) {
      this.letters.push({ ...letter, id: String(this.letters.length), isReplayed: false });
    }
  }

  async list({ before, limit }: DeadLetterQuery): Promise<DeadLetterPage> {
    const older = this.letters.slice(0, before === undefined ? undefined : Number(before)).reverse();
    const letters = older.slice(0, limit);
    return { letters, before: older.length > limit ? (letters.at(-1)?.id ?? null) : null };
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    return this.letters.find((letter) => letter.id === id);
  }

  markReplayed(): never {
    throw new Error("nothing is replayed here");
  }

  async count(): Promise<number> {
    return this.letters.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
