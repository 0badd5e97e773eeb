import type { TidemarkError } from "../../views/errors.ts";
import type { LogRecord } from "../log/log.ts";
import { headerTexts } from "../log/record-headers.ts";
import { maxRawBytes, type NewDeadLetter } from "./dead-letters.ts";

/** The letter of a record that is no event of its topic, but for when it was found. */
export function letterOf(
  record: LogRecord,
  { code, message }: Pick<TidemarkError, "code" | "message">,
  topic: string,
  partition: number,
): Omit<NewDeadLetter, "receivedAt"> {
  const { offset, key, value, headers, timestampMs } = record;
  return {
    ...{ code, message, topic },
    raw: value.subarray(0, maxRawBytes),
    bytes: value.length,
    record: { partition, offset, key, headers: headers && headerTexts(headers), timestampMs },
  };
}
