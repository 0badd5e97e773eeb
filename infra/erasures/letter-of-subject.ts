import { isUtf8 } from "node:buffer";
import type { App } from "../../views/app.ts";
import { offsetAt } from "../../views/cut.ts";
import { type EventType, keyIn } from "../../views/event.ts";
import { isOfType, isOld, type LeavingFacts } from "../../views/subject.ts";
import type { DeadLetter } from "../dead-letters/dead-letters.ts";

type Letter = Pick<DeadLetter, "topic" | "raw" | "record" | "receivedAt">;

/**
 * Whether a dead letter is of facts that are to leave: of a type's old ones if it was received before their horizon; of
 * a subject's if it is from before the erasure was asked for and its key, which is read as an event's is, as far as it
 * goes, is the subject's; where it has none, if that key stands anywhere in it.
 */
export function isLetterOf(
  facts: LeavingFacts,
  letter: Letter,
  types: ReadonlyMap<string, EventType>,
): boolean {
  const { topic, record, raw, receivedAt } = letter;
  if (isOld(facts)) return topic === facts.type && receivedAt < facts.before;
  // What names no type may be of any.
  if (topic !== null && !isOfType(facts, topic)) return false;
  const isBefore =
    record === null || topic === null
      ? receivedAt <= facts.askedAt
      : record.offset < offsetAt(facts.bound, topic, record.partition);
  if (!isBefore) return false;
  if (record?.key === facts.key) return true;
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  const key = keyOf(bytes, topic === null ? undefined : types.get(topic));
  return key === undefined ? mentions(bytes, facts.key) : key === facts.key;
}

export function typesByName({ events }: Pick<App, "events">): ReadonlyMap<string, EventType> {
  return new Map(events.map((type) => [type.name, type]));
}

/** The key that the event would have; undefined where that can't be said. */
function keyOf(raw: Buffer, type: EventType | undefined): string | undefined {
  if (type === undefined) return undefined;
  try {
    return keyIn(type, JSON.parse(raw.toString()));
  } catch {
    return undefined;
  }
}

/**
 * The key, standing by itself: as it is or as JSON writes it, between quotes or not. Bytes that are no UTF-8 are
 * searched as they are.
 */
function mentions(raw: Buffer, key: string): boolean {
  if (!isUtf8(raw)) return raw.includes(key);
  const text = raw.toString();
  const forms = [key, JSON.stringify(key).slice(1, -1)].map(escapeRegExp).join("|");
  const alone = new RegExp(`(?<![\\p{L}\\p{N}_.-])(?:${forms})(?![\\p{L}\\p{N}_-]|\\.[\\p{L}\\p{N}])`, "u");
  return alone.test(text) || (text.includes("\\u") && alone.test(unescaped(text)));
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function unescaped(text: string): string {
  const characterOf = (_: string, code: string) => String.fromCharCode(Number.parseInt(code, 16));
  return text.replace(/\\u([0-9a-fA-F]{4})/g, characterOf);
}
