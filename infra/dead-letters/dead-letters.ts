import type { Offset } from "../../views/cut.ts";
import type { HeaderTexts } from "../../views/record-envelope.ts";

/** Something that was sent and is no event, with why. */
export interface DeadLetter {
  /** By which the store finds it again. */
  readonly id: string;
  /** RFC 3339. */
  readonly receivedAt: string;
  readonly code: string;
  readonly message: string;
  /** What was sent, whole up to the store's bound. */
  readonly raw: Uint8Array;
  /** Its length before it was cut to the bound. */
  readonly bytes: number;
  /** The event type, which is the topic, where that much is known. */
  readonly topic: string | null;
  /** Where it stands in the log; null if a gateway refused it, so that it never had a place. */
  readonly record: LetterRecord | null;
  /** Whether it was handed in again, and accepted. */
  readonly isReplayed: boolean;
}

/** What a record is besides its topic and its value. */
export interface LetterRecord {
  readonly partition: number;
  readonly offset: Offset;
  readonly key: string | null;
  readonly headers?: HeaderTexts | undefined;
  readonly timestampMs?: number | undefined;
}

/** A letter to be kept. */
export type NewDeadLetter = Omit<DeadLetter, "id" | "isReplayed">;

export interface DeadLetterQuery {
  readonly limit: number;
  /** Where the page before said that this one begins. */
  readonly before?: string;
  readonly topic?: string;
  readonly code?: string;
}

export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[];
  /** Where the next page begins; null: there is none. */
  readonly before: string | null;
}

/** A letter's raw bytes are kept up to this length: a record of it, with its reason, fits what Kafka takes by default. */
export const maxRawBytes = 1_000_000;

/**
 * Where what is no event is kept: nothing is dropped in silence. A record that is put again shows once: those of a partition
 * are put in order, so that one whose offset was passed is there already.
 */
export interface DeadLetters extends AsyncDisposable {
  /** Resolves once durable. */
  put(letters: readonly NewDeadLetter[]): Promise<void>;
  /** Newest first, of each topic. TIDEMARK_QUERY_PARAMETER for a `before` that no page has given. */
  list(query: DeadLetterQuery): Promise<DeadLetterPage>;
  get(id: string): Promise<DeadLetter | undefined>;
  /** The letter must be there. Durable when it resolves. */
  markReplayed(id: string): Promise<void>;
  count(): Promise<number>;
}
