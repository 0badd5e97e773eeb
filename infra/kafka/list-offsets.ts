import type { KafkaRequest } from "./broker-connection.ts";
import { WireReader, WireWriter } from "./wire.ts";

/**
 * The first offset that is held; the one that readers of committed records have not got to see yet; or the one after all that was
 * acknowledged, which is later where a transaction is open.
 */
export type Bound = "start" | "end" | "written";

export interface PartitionOffset {
  readonly partition: number;
  readonly errorCode: number;
  readonly offset: number;
}

export interface PartitionOffsets {
  readonly offsets: readonly PartitionOffset[];
}

/** ListOffsets v3, of the partitions of a topic that one broker leads. */
export function listOffsetsRequest(
  topic: string,
  partitions: readonly number[],
  bound: Bound,
): KafkaRequest<PartitionOffsets> {
  const writer = new WireWriter();
  writer.int32(-1).int8(bound === "written" ? readUncommitted : readCommitted);
  writer.array([topic], (name) => {
    writer.text(name);
    writer.array(partitions, (partition) => writer.int32(partition).int64(bound === "start" ? -2 : -1));
  });
  return { apiKey: 2, apiVersion: 3, apiName: "ListOffsets", payload: writer.written(), decode };
}

const readUncommitted = 0;
export const readCommitted = 1;

function decode(response: Buffer): PartitionOffsets {
  const reader = new WireReader(response);
  reader.int32(); // throttle time
  const offsets = reader
    .array(() => {
      reader.text();
      return reader.array(() => {
        const partition = reader.int32();
        const errorCode = reader.int16();
        reader.int64(); // timestamp
        return { partition, errorCode, offset: reader.int64() };
      });
    })
    .flat();
  return { offsets };
}
