import type { Offset } from "../../views/cut.ts";
import type { RecordBatch } from "./record-batch.ts";

export interface RecentBounds {
  readonly records: number;
  readonly bytes: number;
}

/**
 * The batches that this process appended last, with the events it had decoded: what follows the log closely reads
 * from here, neither from disk nor decoding again. Bounded over all partitions by records and by bytes; the oldest go first.
 */
export class RecentBatches {
  readonly #bounds: RecentBounds;
  readonly #partitions = new Map<number, RecordBatch[]>();
  readonly #order: { readonly partition: number; readonly batch: RecordBatch }[] = [];
  #records = 0;
  #bytes = 0;

  constructor(bounds: RecentBounds) {
    this.#bounds = bounds;
  }

  /** `partition` is any number that tells partitions apart; batches of one are added in order. */
  add(partition: number, batch: RecordBatch): void {
    const batches = this.#partitions.get(partition);
    if (batches === undefined) this.#partitions.set(partition, [batch]);
    else batches.push(batch);
    this.#order.push({ partition, batch });
    this.#records += batch.next - batch.from;
    this.#bytes += batch.bytes.length;
    while (this.#records > this.#bounds.records || this.#bytes > this.#bounds.bytes) this.#dropOldest();
  }

  /** The batch that holds the offset. */
  find(partition: number, at: Offset): RecordBatch | undefined {
    const batches = this.#partitions.get(partition) ?? [];
    let low = 0;
    let high = batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((batches[middle] as RecordBatch).next > at) high = middle;
      else low = middle + 1;
    }
    const batch = batches[low];
    return batch !== undefined && batch.from <= at ? batch : undefined;
  }

  #dropOldest(): void {
    const oldest = this.#order.shift();
    if (oldest === undefined) return;
    this.#partitions.get(oldest.partition)?.shift();
    this.#records -= oldest.batch.next - oldest.batch.from;
    this.#bytes -= oldest.batch.bytes.length;
  }
}
