import type { EventType } from "../views/event.ts";
import { partitionOf } from "../views/partition.ts";

const maxKeys = 65_536;
const maxKeyLength = 64;

/** Key to partition, remembered: keys repeat, and hashing one takes longer than looking it up. */
export class KeyPartitions {
  readonly #types: ReadonlyMap<string, { readonly partitions: number; readonly known: Map<string, number> }>;

  constructor(types: readonly EventType[]) {
    this.#types = new Map(types.map(({ name, partitions }) => [name, { partitions, known: new Map() }]));
  }

  has(type: string): boolean {
    return this.#types.has(type);
  }

  /** The type must be one of those given. */
  of(type: string, key: string): number {
    const topic = this.#types.get(type);
    if (topic === undefined) throw new Error(`event type "${type}" is unknown`);
    const before = topic.known.get(key);
    if (before !== undefined) return before;
    const partition = partitionOf(key, topic.partitions);
    if (key.length <= maxKeyLength) {
      if (topic.known.size >= maxKeys) topic.known.clear();
      topic.known.set(key, partition);
    }
    return partition;
  }
}
