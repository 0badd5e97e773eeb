import type { App } from "../../views/app.ts";
import type { Offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { isFolded } from "../../views/layers.ts";
import type { View } from "../../views/view.ts";
import { Chain } from "./chain.ts";
import { TailSegment } from "./segment.ts";
import { decodeRow, type EncodedRow, type TailRecord, type ViewName } from "./tail-record.ts";

/** A view that takes records of the partition, and the number that the partition has in it. */
export interface PartitionView {
  readonly view: View;
  readonly partition: number;
}

/** The app's views that records of a topic's partition are folded into. */
export function viewsOf(app: App, topic: string, partition: number): readonly PartitionView[] {
  return app.views.filter(isFolded).flatMap((view) => {
    const number = view.partitions.findIndex((each) => each.topic === topic && each.partition === partition);
    return number === -1 ? [] : [{ view, partition: number }];
  });
}

export interface ReplicaOptions {
  /** Whether segments of before a renewal are kept for who still reads them, until they are released. Default false. */
  readonly keepsFormer?: boolean;
  /** Called once a renewal has taken place. */
  readonly onRenewed?: () => void;
}

type OfView<Kind> = Extract<TailRecord, { readonly view: ViewName; readonly kind: Kind }>;

/**
 * What one partition of a tail topic tells, read from its beginning on: the chains of segments of every view. All who read
 * the same records hold the same chains, but for what each has let go of.
 */
export class PartitionReplica {
  /** The epoch of the claim that holds; 0 before any. */
  epoch = 0;
  owner: string | undefined;
  /** Before a view's `start` its chain is empty, at 0. */
  readonly chains: readonly Chain[];
  readonly #started = new Set<Chain>();
  /** Rows that wait for the `segment` that they belong to. */
  #staged: EncodedRow[] = [];
  /** While a renewal is being told: what the chains are to become. */
  #renewed: PartitionReplica | undefined;
  readonly #views: readonly PartitionView[];
  readonly #options: ReplicaOptions;

  constructor(views: readonly PartitionView[], options: ReplicaOptions = {}) {
    this.#views = views;
    this.#options = options;
    this.chains = views.map(({ view, partition }) => new Chain(view, partition, 0 as Offset));
  }

  hasStarted(chain: Chain): boolean {
    return this.#started.has(chain);
  }

  /** Forgets everything, to be told it again. */
  reset(): void {
    this.epoch = 0;
    this.owner = undefined;
    this.#staged = [];
    this.#renewed = undefined;
    this.#started.clear();
    for (const chain of this.chains) chain.jump(0 as Offset);
  }

  /** Gives whether it counted. Throws TIDEMARK_STORE_GAP if records before it are missing. */
  apply(record: TailRecord): boolean {
    if (this.#renewed !== undefined && "view" in record) return this.#renewed.apply(record);
    switch (record.kind) {
      case "claim":
        return this.#claim(record);
      case "seal-request":
      case "renew-request":
        return true;
      case "sealed":
        return record.epoch === this.epoch;
      case "snapshot":
        if (record.epoch === this.epoch) this.#endRenewal();
        return record.epoch === this.epoch;
      case "start":
        return record.epoch === this.epoch && this.#start(record);
      case "rows":
        if (record.epoch === this.epoch) for (const row of record.rows) this.#staged.push(row);
        return record.epoch === this.epoch;
      case "segment": {
        if (record.epoch !== this.epoch) return false;
        const rows = this.#staged;
        this.#staged = [];
        return this.#segment(record, rows);
      }
    }
  }

  #claim({ epoch, owner, renews }: Extract<TailRecord, { readonly kind: "claim" }>): boolean {
    const isAgain = epoch === this.epoch && owner === this.owner;
    if (epoch <= this.epoch && !isAgain) return false;
    this.epoch = epoch;
    this.owner = owner;
    this.#staged = [];
    this.#renewed = renews === true ? new PartitionReplica(this.#views) : undefined;
    if (this.#renewed !== undefined) this.#renewed.epoch = epoch;
    return true;
  }

  #endRenewal(): void {
    const renewed = this.#renewed;
    if (renewed === undefined) return;
    this.#renewed = undefined;
    for (const [i, fresh] of renewed.chains.entries()) {
      const chain = this.chains[i];
      // Of a view that its owner does not know nothing is told.
      if (chain === undefined || !renewed.hasStarted(fresh)) continue;
      this.#started.add(chain);
      chain.become(fresh, { keepsFormer: this.#options.keepsFormer ?? false });
    }
    this.#options.onRenewed?.();
  }

  #start({ view: name, at }: OfView<"start">): boolean {
    const chain = this.#find(name);
    if (chain === undefined || this.#started.has(chain)) return false;
    this.#started.add(chain);
    chain.jump(at);
    return true;
  }

  #segment(record: OfView<"segment">, rows: readonly EncodedRow[]): boolean {
    const chain = this.#find(record.view);
    if (chain === undefined || !this.#started.has(chain)) return false;
    if (record.base > chain.next) chain.jump(record.base);
    if (record.base === chain.open.from) return extend(chain, record, rows);
    // One of which the beginning was passed over is not whole.
    const isPrefix = record.isSealed && record.base < chain.open.from && record.from === record.base;
    return isPrefix && addPrefix(chain, record, rows);
  }

  #find({ name, fingerprint }: ViewName): Chain | undefined {
    return this.chains.find(({ view }) => view.name === name && view.fingerprint === fingerprint);
  }
}

/** A record told twice changes nothing: its states are those of a moment that the segment has passed. */
function extend(
  chain: Chain,
  { from, next, isSealed }: OfView<"segment">,
  rows: readonly EncodedRow[],
): boolean {
  const { open, view } = chain;
  if (from > open.next) throw gap(chain, from);
  if (next < open.next || (next === open.next && !isSealed)) return false;
  for (const row of rows) open.replaceRow(decodeRow(view, row));
  chain.advance(next);
  if (isSealed) chain.seal();
  return true;
}

function addPrefix(chain: Chain, { base, next }: OfView<"segment">, rows: readonly EncodedRow[]): boolean {
  if (chain.hasBoundary(base) || !chain.hasBoundary(next)) return false;
  const segment = new TailSegment(chain.view, chain.partition, base, next);
  for (const row of rows) segment.replaceRow(decodeRow(chain.view, row));
  segment.seal();
  return chain.addPrefix(segment);
}

function gap({ view, partition, next }: Chain, from: Offset): TidemarkError {
  const { topic, partition: number } = view.partitions[partition] ?? { topic: "?", partition };
  return new TidemarkError(
    "TIDEMARK_STORE_GAP",
    `the tail of view "${view.name}" in ${topic}/${number} goes on at ${from}, but is known up to ${next}`,
  );
}
