import type { KafkaRequest } from "./broker-connection.ts";
import { WireReader, WireWriter } from "./wire.ts";

export interface ProducedBatch {
  readonly topic: string;
  readonly partition: number;
  /** As `encodeRecords` makes it. */
  readonly batch: Buffer;
}

export interface ProducedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  /** Of the batch's first record. */
  readonly baseOffset: number;
  /** When the broker appended it, by its clock; −1 if the topic keeps the producer's times. */
  readonly appendedAtMs: number;
}

export interface Produced {
  readonly partitions: readonly ProducedPartition[];
}

/** Produce v7, one batch a partition, answered once all replicas in sync have them. */
export function produceRequest(batches: readonly ProducedBatch[], timeoutMs: number): KafkaRequest<Produced> {
  const size = batches.reduce((bytes, { batch }) => bytes + batch.length + 512, 64);
  const writer = new WireWriter(size);
  writer.text(null).int16(-1).int32(timeoutMs);
  writer.array([...byTopic(batches)], ([topic, ofTopic]) => {
    writer.text(topic);
    writer.array(ofTopic, ({ partition, batch }) => writer.int32(partition).bytes(batch));
  });
  return { apiKey: 0, apiVersion: 7, apiName: "Produce", payload: writer.written(), decode };
}

function byTopic(batches: readonly ProducedBatch[]): ReadonlyMap<string, readonly ProducedBatch[]> {
  const topics = new Map<string, ProducedBatch[]>();
  for (const batch of batches) topics.set(batch.topic, [...(topics.get(batch.topic) ?? []), batch]);
  return topics;
}

function decode(response: Buffer): Produced {
  const reader = new WireReader(response);
  const partitions = reader
    .array(() => {
      const topic = reader.text() ?? "";
      return reader.array(() => {
        const partition = reader.int32();
        const errorCode = reader.int16();
        const baseOffset = reader.int64();
        const appendedAtMs = reader.int64();
        reader.int64(); // log start
        return { topic, partition, errorCode, baseOffset, appendedAtMs };
      });
    })
    .flat();
  return { partitions };
}
