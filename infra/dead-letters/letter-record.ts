import { offset } from "../../views/cut.ts";
import { formatTime } from "../../views/time.ts";
import type { Append, LogRecord, RecordHeaders } from "../log/log.ts";
import { headerTexts } from "../log/record-headers.ts";
import { type DeadLetter, maxRawBytes, type NewDeadLetter } from "./dead-letters.ts";

/**
 * A dead letter as a record: its key, value and headers are those of the record that is no event, and what is said of it
 * are headers besides, `tidemark-code` and so on. So any client of Kafka can read it, or send it again.
 */
const prefix = "tidemark-";
const maxMessageLength = 1_000;

/** The topic that letters of an event type are in; those whose type is not known are in one of the app. */
export function letterTopic(app: string, topic: string | null): string {
  return `${topic ?? app}.dead-letter`;
}

export function toAppend(letter: NewDeadLetter, topic: string): Append {
  const { record } = letter;
  const headers: Record<string, Uint8Array | string> = {};
  for (const [name, value] of Object.entries(record?.headers ?? {})) {
    if (!name.startsWith(prefix))
      headers[name] = typeof value === "string" ? value : Buffer.from(value.base64, "base64");
  }
  headers["tidemark-code"] = letter.code;
  headers["tidemark-message"] = letter.message.slice(0, maxMessageLength);
  headers["tidemark-received-at"] = letter.receivedAt;
  headers["tidemark-bytes"] = String(letter.bytes);
  if (record !== null) {
    headers["tidemark-partition"] = String(record.partition);
    headers["tidemark-offset"] = String(record.offset);
    if (record.timestampMs !== undefined) headers["tidemark-timestamp"] = String(record.timestampMs);
  }
  return {
    topic,
    partition: 0,
    key: record?.key ?? null,
    value: letter.raw.subarray(0, maxRawBytes),
    headers,
  };
}

/** The record that says that the letter at an offset of its topic was replayed. */
export function replayedMark(topic: string, at: number): Append {
  const headers = { "tidemark-replayed": String(at) };
  return { topic, partition: 0, key: null, value: new Uint8Array(0), headers };
}

/**
 * The same letter at the end of its topic, so that what stands before can go: from then on it is there and not where it was.
 * Of what was not put there by us it says when it was received.
 */
export function movedLetter(topic: string, written: LogRecord, isReplayed: boolean): Append {
  const { offset: from, key, value, headers } = written;
  const { receivedAt } = readLetter(written, null);
  const moved = { "tidemark-moved-from": String(from), "tidemark-is-replayed": isReplayed ? "1" : "0" };
  return {
    ...{ topic, partition: 0, key, value },
    headers: { ...headers, "tidemark-received-at": receivedAt, ...moved },
  };
}

/** Where a letter stood before it was moved; undefined for one that was not. */
export function readMoved({
  headers = {},
}: LogRecord): { readonly from: number; readonly isReplayed: boolean } | undefined {
  const from = readWhole(headers, "tidemark-moved-from");
  return from === undefined
    ? undefined
    : { from, isReplayed: readWhole(headers, "tidemark-is-replayed") === 1 };
}

/** The offset that a mark speaks of; undefined for what is none. */
export function readMark({ headers }: LogRecord): number | undefined {
  return headers === undefined ? undefined : readWhole(headers, "tidemark-replayed");
}

/** Where the letter's record stands; undefined if it has no place. Much less work than to read the letter. */
export function readPlace({
  headers = {},
}: LogRecord): { readonly partition: number; readonly offset: number } | undefined {
  const [partition, at] = [readWhole(headers, "tidemark-partition"), readWhole(headers, "tidemark-offset")];
  return partition === undefined || at === undefined ? undefined : { partition, offset: at };
}

/** What is in a topic of letters and was not put there by us is shown all the same. */
export function readLetter(written: LogRecord, topic: string | null): Omit<DeadLetter, "id" | "isReplayed"> {
  const { headers = {}, value, key, timestampMs: writtenAt = 0 } = written;
  const place = readPlace(written);
  const others = Object.entries(headers).filter(([name]) => !name.startsWith(prefix));
  const timestampMs = readWhole(headers, "tidemark-timestamp");
  return {
    receivedAt: readText(headers, "tidemark-received-at") ?? formatTime(writtenAt),
    code: readText(headers, "tidemark-code") ?? "",
    message: readText(headers, "tidemark-message") ?? "the record says nothing of why it is here",
    raw: value,
    bytes: readWhole(headers, "tidemark-bytes") ?? value.length,
    topic,
    record:
      place === undefined
        ? null
        : {
            partition: place.partition,
            offset: offset(place.offset),
            key,
            ...(others.length > 0 && { headers: headerTexts(Object.fromEntries(others)) }),
            ...(timestampMs !== undefined && { timestampMs }),
          },
  };
}

function readText(headers: RecordHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "object"
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString()
    : value;
}

function readWhole(headers: RecordHeaders, name: string): number | undefined {
  const text = readText(headers, name);
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
