import { setTimeout as pause, setImmediate } from "node:timers/promises";
import type { Append, Log } from "../infra/log/log.ts";
import type { Chain } from "../infra/tail/chain.ts";
import type { TailSegment } from "../infra/tail/segment.ts";
import {
  type EncodedRow,
  encodeRow,
  type TailRecord,
  tailAppend,
  viewNameOf,
} from "../infra/tail/tail-record.ts";
import { type Offset, offsetAt } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { Pace } from "./pace.ts";
import type { TailSegments } from "./segments.ts";

export interface TailPublisherOptions {
  /** Has the tail topics. */
  readonly log: Log;
  /** Of the events. */
  readonly topic: string;
  readonly partition: number;
  /** The chains of the partition. */
  readonly tail: TailSegments;
  /** The claim under which this publishes. */
  readonly epoch: number;
  readonly owner: string;
  /** Chains that readers have not heard of. */
  readonly fresh: readonly Chain[];
  /** About how many bytes a reader who begins now has to read. */
  readonly bytes: number;
  /** So much he may have to read before a snapshot spares him that. */
  readonly snapshotBytes: number;
  /** Whether more is to be folded at once than what was. */
  readonly isBehind: () => boolean;
  readonly newId: () => string;
}

interface Renewal {
  readonly request: string;
  readonly refold: () => Promise<boolean>;
  readonly over: () => void;
}

/** Shortest rest between two publications, in milliseconds. */
const restMs = 20;
/** Between two while the fold is behind: what it folds next changes most of the same states again. */
const behindGapMs = 500;
/** What one record holds, and what is appended at once, about: a broker takes a megabyte. */
const recordBytes = 256 * 1024;
const appendBytes = 512 * 1024;
/** A snapshot is published when a reader who begins would have to read this many times as much as one takes. */
const snapshotFactor = 4;
export const defaultSnapshotBytes = 16 * 1024 * 1024;

/** Tells a tail topic what becomes of a partition's chains: their states as they are, now and then, and every boundary. */
export class TailPublisher implements AsyncDisposable {
  /** Rejects when it can't go on; resolves once disposed of. */
  readonly done: Promise<void>;
  readonly #options: TailPublisherOptions;
  readonly #published = new WeakMap<TailSegment, Offset>();
  readonly #pace: Pace;
  readonly #advance: Disposable;
  #requests: string[] = [];
  #renewal: Renewal | undefined;
  #unstarted: readonly Chain[];
  /** Since the last snapshot, and what that took. */
  #bytes: number;
  #snapshotBytes = 0;

  constructor(options: TailPublisherOptions) {
    this.#options = options;
    this.#unstarted = options.fresh;
    this.#bytes = options.bytes;
    for (const chain of options.tail.chains) {
      // What it was restored from needs no telling.
      chain.takeChanges();
      this.#published.set(chain.open, chain.next);
    }
    this.#pace = new Pace({
      tell: (signal) => this.#publish(signal),
      ...{ restMs, behindGapMs },
      isBehind: options.isBehind,
      isUrgent: () => this.#requests.length > 0,
    });
    this.done = this.#pace.done;
    this.#advance = options.tail.onAdvance(() => this.#pace.wake());
  }

  /** Seals, and tells so under the request's name. */
  answer(request: string): void {
    this.#requests.push(request);
    this.#pace.wake();
  }

  /**
   * Has the chains folded anew, and tells what they hold then in the place of all that was told before, under the request's name.
   * Nothing is told meanwhile. `refold` gives whether it could. One at a time; resolves
   * once it is folded, or this is disposed of.
   */
  renew(request: string, refold: () => Promise<boolean>): Promise<void> {
    return new Promise((resolve) => {
      this.#renewal = { request, refold, over: resolve };
      this.#pace.wake();
    });
  }

  /** Resolves once all that the chains hold by now is told, or this is disposed of. */
  told(): Promise<void> {
    return this.#pace.told();
  }

  async #publish(signal: AbortSignal): Promise<void> {
    const { tail, epoch, owner, topic, partition, snapshotBytes, newId } = this.#options;
    const request = await this.#refold();
    const requests = this.#requests.splice(0);
    const sealed = requests.length > 0 ? offsetAt(tail.seal(), topic, partition) : (0 as Offset);
    const isRenewed = request !== undefined;
    const isSnapshot =
      isRenewed || this.#bytes > Math.max(snapshotBytes, snapshotFactor * this.#snapshotBytes);
    const batch = new Batch(topic, partition, (appends) => this.#append(appends, signal));
    if (isSnapshot) {
      this.#bytes = 0;
      await batch.add({ kind: "claim", epoch, owner, ...(isRenewed && { renews: true }) });
      for (const chain of tail.chains) {
        chain.renew();
        for (const segment of chain.segments) this.#published.delete(segment);
      }
    }
    for (const chain of isSnapshot ? tail.chains : this.#unstarted) {
      const at = Math.min(...chain.segments.map(({ from }) => from)) as Offset;
      await batch.add({ kind: "start", epoch, view: viewNameOf(chain.view), at });
    }
    this.#unstarted = [];
    for (const chain of tail.chains) await this.#add(batch, chain);
    for (const request of requests) await batch.add({ kind: "sealed", epoch, request, next: sealed });
    if (isSnapshot) {
      await batch.add({ kind: "snapshot", epoch, snapshot: newId(), ...(isRenewed && { request }) });
    }
    await batch.flush();
    if (isSnapshot) this.#snapshotBytes = this.#bytes;
  }

  /** Gives the request of the renewal that has been made. */
  async #refold(): Promise<string | undefined> {
    const renewal = this.#renewal;
    this.#renewal = undefined;
    if (renewal === undefined) return undefined;
    const isFolded = await renewal.refold().finally(renewal.over);
    return isFolded ? renewal.request : undefined;
  }

  async #add(batch: Batch, chain: Chain): Promise<void> {
    const { epoch } = this.#options;
    const view = viewNameOf(chain.view);
    for (const { segment, next, isSealed, rows } of chain.takeChanges()?.segments ?? []) {
      const base = segment.from;
      let part: EncodedRow[] = [];
      let bytes = 0;
      let count = 0;
      for (const row of rows) {
        const encoded = encodeRow(row);
        part.push(encoded);
        bytes += weight(encoded);
        count++;
        if (bytes < recordBytes) continue;
        await batch.add({ kind: "rows", epoch, view, base, rows: part });
        await setImmediate();
        part = [];
        bytes = 0;
      }
      const published = this.#published.get(segment);
      if (count === 0 && published === next && !isSealed) continue;
      if (part.length > 0) await batch.add({ kind: "rows", epoch, view, base, rows: part });
      await batch.add({ kind: "segment", epoch, view, base, from: published ?? base, next, isSealed });
      this.#published.set(segment, next);
    }
  }

  /** Until it is there: what was taken from the chains is nowhere else. Told twice it does no harm. */
  async #append(appends: readonly Append[], signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    for (const { value } of appends) this.#bytes += value.length;
    for (let delayMs = 50; ; delayMs = Math.min(2 * delayMs, 2_000)) {
      signal.throwIfAborted();
      try {
        await log.append(appends);
        return;
      } catch (error) {
        if (!(error instanceof TidemarkError) || !error.canRetry) throw error;
        await pause(delayMs, undefined, { signal });
      }
    }
  }

  /** What is not told by now is for the next owner to find out. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#advance[Symbol.dispose]();
    await this.#pace[Symbol.asyncDispose]();
    this.#renewal?.over();
  }
}

/** Records that are appended together. */
class Batch {
  readonly #topic: string;
  readonly #partition: number;
  readonly #append: (appends: readonly Append[]) => Promise<void>;
  #appends: Append[] = [];
  #bytes = 0;

  constructor(topic: string, partition: number, append: (appends: readonly Append[]) => Promise<void>) {
    this.#topic = topic;
    this.#partition = partition;
    this.#append = append;
  }

  async add(record: TailRecord): Promise<void> {
    const append = tailAppend(this.#topic, this.#partition, record);
    this.#appends.push(append);
    this.#bytes += append.value.length;
    if (this.#bytes >= appendBytes) await this.flush();
  }

  async flush(): Promise<void> {
    const appends = this.#appends;
    this.#appends = [];
    this.#bytes = 0;
    if (appends.length > 0) await this.#append(appends);
  }
}

function weight([dimensions, , cells]: EncodedRow): number {
  let bytes = 16;
  for (const value of dimensions) bytes += typeof value === "string" ? value.length : 9;
  for (const cell of cells) bytes += typeof cell === "string" ? cell.length : 9;
  return bytes;
}
