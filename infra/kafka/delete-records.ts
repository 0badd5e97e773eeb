import type { Offset } from "../../views/cut.ts";
import type { KafkaRequest } from "./broker-connection.ts";
import { WireReader, WireWriter } from "./wire.ts";

/** DeleteRecords v1: the records of a partition before an offset. */
export function deleteRecordsRequest(
  topic: string,
  partition: number,
  before: Offset,
): KafkaRequest<{ readonly errorCode: number }> {
  const writer = new WireWriter();
  writer.array([topic], (name) => {
    writer.text(name);
    writer.array([partition], (each) => writer.int32(each).int64(before));
  });
  writer.int32(10_000);
  return { apiKey: 21, apiVersion: 1, apiName: "DeleteRecords", payload: writer.written(), decode };
}

function decode(response: Buffer): { readonly errorCode: number } {
  const reader = new WireReader(response);
  reader.int32(); // throttle time
  const [errorCode = -1] = reader
    .array(() => {
      reader.text();
      return reader.array(() => {
        reader.int32();
        reader.int64(); // log start
        return reader.int16();
      });
    })
    .flat();
  return { errorCode };
}
