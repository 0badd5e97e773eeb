import type { Offset } from "../../views/cut.ts";
import type { KafkaRequest } from "./broker-connection.ts";
import type { AbortedTransaction } from "./fetched-records.ts";
import { readCommitted } from "./list-offsets.ts";
import { WireReader, WireWriter } from "./wire.ts";

export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  /** Where the partition ends, for readers of committed records. */
  readonly end: Offset;
  /** Whole batches, but for the last one; they may begin before what was asked for. */
  readonly batches: Buffer;
  readonly aborted: readonly AbortedTransaction[];
}

export interface Fetched {
  readonly errorCode: number;
  readonly partitions: readonly FetchedPartition[];
}

/** Of one partition, and of all in one answer. A batch that is larger comes all the same. */
const maxPartitionBytes = 1024 * 1024;
const maxBytes = 8 * 1024 * 1024;

/**
 * Fetch v11, of committed records, without a fetch session: the request says all. The broker answers as soon as there
 * is a byte.
 */
export function fetchRequest(
  topic: string,
  positions: ReadonlyMap<number, Offset>,
  maxWaitMs: number,
): KafkaRequest<Fetched> {
  const writer = new WireWriter();
  writer.int32(-1).int32(maxWaitMs).int32(1).int32(maxBytes).int8(readCommitted);
  writer.int32(0).int32(-1);
  writer.array([topic], (name) => {
    writer.text(name);
    writer.array([...positions], ([partition, from]) => {
      writer.int32(partition).int32(-1).int64(from).int64(-1).int32(maxPartitionBytes);
    });
  });
  writer.int32(0).text("");
  return { apiKey: 1, apiVersion: 11, apiName: "Fetch", payload: writer.written(), decode };
}

function decode(response: Buffer): Fetched {
  const reader = new WireReader(response);
  reader.int32(); // throttle time
  const errorCode = reader.int16();
  reader.int32(); // session
  const partitions = reader
    .array(() => {
      reader.text();
      return reader.array(() => decodePartition(reader));
    })
    .flat();
  return { errorCode, partitions };
}

function decodePartition(reader: WireReader): FetchedPartition {
  const partition = reader.int32();
  const errorCode = reader.int16();
  reader.int64(); // high watermark
  const end = reader.int64() as Offset;
  reader.int64(); // log start
  const aborted = reader.array(() => ({ producer: reader.int64(), from: reader.int64() }));
  reader.int32(); // preferred replica
  return { partition, errorCode, end, aborted, batches: reader.bytes() };
}
