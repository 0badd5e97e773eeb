import type { Address, KafkaRequest } from "./broker-connection.ts";
import { WireReader, WireWriter } from "./wire.ts";

export interface TopicMetadata {
  readonly name: string;
  readonly errorCode: number;
  readonly partitions: readonly PartitionMetadata[];
}

export interface PartitionMetadata {
  readonly partition: number;
  /** The id of its broker; −1 while there is none. */
  readonly leader: number;
  readonly replicas: number;
}

export interface Metadata {
  readonly brokers: ReadonlyMap<number, Address>;
  /** The broker that takes changes of topics. */
  readonly controller: number;
  readonly topics: readonly TopicMetadata[];
}

/** Metadata v5, without creating what is missing. */
export function metadataRequest(topics: readonly string[]): KafkaRequest<Metadata> {
  const writer = new WireWriter();
  writer.array(topics, (topic) => writer.text(topic)).int8(0);
  return { apiKey: 3, apiVersion: 5, apiName: "Metadata", payload: writer.written(), decode };
}

function decode(response: Buffer): Metadata {
  const reader = new WireReader(response);
  reader.int32(); // throttle time
  const brokers = new Map(
    reader.array((): [number, Address] => {
      const id = reader.int32();
      const address = { host: reader.text() ?? "", port: reader.int32() };
      reader.text(); // rack
      return [id, address];
    }),
  );
  reader.text(); // cluster
  const controller = reader.int32();
  const topics = reader.array(() => {
    const errorCode = reader.int16();
    const name = reader.text() ?? "";
    reader.int8(); // internal
    return { name, errorCode, partitions: reader.array(() => decodePartition(reader)) };
  });
  return { brokers, controller, topics };
}

function decodePartition(reader: WireReader): PartitionMetadata {
  reader.int16(); // an error says no more than a leader of −1
  const partition = reader.int32();
  const leader = reader.int32();
  const replicas = reader.array(() => reader.int32()).length;
  reader.array(() => reader.int32()); // in sync
  reader.array(() => reader.int32()); // offline
  return { partition, leader, replicas };
}
