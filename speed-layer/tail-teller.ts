import type { Chain } from "../infra/tail/chain.ts";
import { RowWriter } from "../infra/tail/row-bytes.ts";
import type { TailSegment } from "../infra/tail/segment.ts";
import type { SegmentRows, Telling, ToldChain } from "../infra/tail/telling.ts";
import type { View } from "../views/view.ts";
import { Pace } from "./pace.ts";
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
const restMs = 5;
/** Between two while the fold is behind: the first thread takes in little at a time, and queries come in between. */
const behindGapMs = 300;
/** What is taken in at once, while queries wait: some hundred rows. */
const bytesAtOnce = 1 << 16;

/** Tells another thread what becomes of the chains that this one folds: see `Telling`. */
export class TailTeller implements AsyncDisposable {
  /** Rejects when it can't go on; resolves once disposed of. */
  readonly done: Promise<void>;
  readonly #options: TailTellerOptions;
  readonly #ids = new WeakMap<TailSegment, number>();
  #lastId = 0;
  /** What was told of each chain. */
  readonly #told = new Map<Chain, string>();
  readonly #writer = new RowWriter();
  readonly #pace: Pace;
  readonly #advance: Disposable;

  constructor(options: TailTellerOptions) {
    this.#options = options;
    this.#pace = new Pace({
      tell: () => this.#tell(),
      ...{ restMs, behindGapMs },
      isBehind: options.isBehind,
      isUrgent: () => this.#pace.waiting > 0,
    });
    this.done = this.#pace.done;
    this.#advance = options.tail.onAdvance(() => this.#pace.wake());
  }

  /** Resolves once all that the chains hold by now is told, or this is disposed of. */
  told(): Promise<void> {
    return this.#pace.told();
  }

  async #tell(): Promise<void> {
    const telling = this.#telling();
    if (telling.views.length > 0) await this.#options.tell(telling);
  }

  /** All of one moment: the thread is not given up. */
  #telling(): Telling {
    const { views, tail } = this.#options;
    const rows: SegmentRows[] = [];
    const told = views.map((view, number) => ({
      view: number,
      chains: tail.chainsOf(view).flatMap((chain) => this.#toldOf(chain, rows) ?? []),
    }));
    return { rows, views: told.filter(({ chains }) => chains.length > 0) };
  }

  /** Undefined where nothing has changed since. */
  #toldOf(chain: Chain, rows: SegmentRows[]): ToldChain | undefined {
    const fresh = new Set(chain.segments.filter((segment) => !this.#ids.has(segment)));
    const segments = chain.segments.map((segment) => {
      const { from, next, isSealed } = segment;
      return { id: this.#idOf(segment), from, next, isSealed };
    });
    const all = segments.map(({ id, next, isSealed }) => `${id} ${next} ${isSealed}`).join();
    if (this.#told.get(chain) === all) return undefined;
    this.#told.set(chain, all);
    for (const segment of chain.segments) this.#tellRows(segment, fresh.has(segment), rows);
    return { partition: chain.partition, segments };
  }

  #tellRows(segment: TailSegment, isNew: boolean, told: SegmentRows[]): void {
    const id = this.#idOf(segment);
    const writer = this.#writer;
    // The first time it means nothing but that it is to be asked again.
    const changed = segment.takeChanged();
    for (const { place, pane, dimensions, cells } of isNew ? segment.entries() : changed) {
      writer.add(place, pane, dimensions, cells);
      if (writer.length >= bytesAtOnce) told.push({ id, bytes: writer.take() });
    }
    if (writer.length > 0) told.push({ id, bytes: writer.take() });
  }

  #idOf(segment: TailSegment): number {
    const id = this.#ids.get(segment) ?? ++this.#lastId;
    this.#ids.set(segment, id);
    return id;
  }

  /** What is not told by now is told to nobody. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#advance[Symbol.dispose]();
    await this.#pace[Symbol.asyncDispose]();
  }
}
