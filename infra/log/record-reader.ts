import type { ChangeForm } from "../../views/change.ts";
import { type Envelope, parseEnvelope } from "../../views/decoder.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Event, EventType } from "../../views/event.ts";
import { RecordDecoder } from "../../views/record-decoder.ts";
import { envelopeText, isWhole, type RecordEnvelope, recordEnvelope } from "../../views/record-envelope.ts";
import type { LogRecord } from "./log.ts";
import { headerTexts } from "./record-headers.ts";
import { recordText } from "./record-text.ts";

/** Of a larger record's value nothing is read. More than any gateway takes of an event. */
export const maxRecordBytes = 4 * 1024 * 1024;

/**
 * What the records of one partition mean: the one way from a record to an event, for all layers. A function of the record
 * alone, whoever put it into the log.
 */
export class RecordReader {
  readonly #topic: string;
  readonly #changes: ChangeForm | undefined;
  readonly #partition: number;
  readonly #decoder: RecordDecoder;

  constructor(type: EventType, partition: number) {
    this.#topic = type.name;
    this.#changes = type.changes;
    this.#partition = partition;
    this.#decoder = new RecordDecoder(type, partition);
  }

  /**
   * Whether the record says nothing that was not said before it, so that it is neither an event nor a dead letter: in a topic
   * of changes a tombstone, by which a compacted topic forgets the key of a row that is gone.
   */
  saysNothing({ value }: LogRecord): boolean {
    return this.#changes !== undefined && value.length === 0;
  }

  /** Throws TIDEMARK_EVENT_* for a record that is no event of its topic. */
  event(record: LogRecord): Event {
    const text = valueText(record);
    return this.#decoder.event(this.#envelope(record, text).envelope, text, record.offset);
  }

  /**
   * The event, and the text of its envelope where the record holds anything that the columns of the master dataset do not:
   * headers are `_headers` there, and a key that the event does not have is `_key`. Throws what `event` throws.
   */
  archived(record: LogRecord): { readonly event: Event; readonly rest: string | null } {
    const text = valueText(record);
    const found = this.#envelope(record, text);
    const event = this.#decoder.event(found.envelope, text, record.offset);
    // The embedded log, which knows no times, holds what a gateway wrote under the event's own key.
    const isOwn = record.timestampMs === undefined && found.added === nothing;
    const key = isOwn ? null : record.key;
    if (key !== null && key !== event.key) {
      return { event, rest: envelopeText({ ...found, added: { ...found.added, _key: key } }, text) };
    }
    return { event, rest: this.#decoder.hasRest(found.envelope, event) ? envelopeText(found, text) : null };
  }

  #envelope(record: LogRecord, text: string): RecordEnvelope {
    const value = parseEnvelope(text);
    if (record.headers === undefined && isWhole(value, this.#topic)) return asItStands(value);
    return recordEnvelope(value, {
      topic: this.#topic,
      partition: this.#partition,
      offset: record.offset,
      headers: record.headers && headerTexts(record.headers),
      timestampMs: record.timestampMs,
      declaresData: this.#decoder.namesAt(record.offset).has("data"),
      changes: this.#changes,
    });
  }
}

const nothing = Object.freeze({});

function asItStands(envelope: Envelope): RecordEnvelope {
  return { envelope, isData: false, added: nothing };
}

function valueText({ value }: LogRecord): string {
  if (value.length === 0) {
    throw new TidemarkError(
      "TIDEMARK_EVENT_EMPTY",
      "the record has no value: events are facts, and none is taken back by a tombstone",
    );
  }
  if (value.length > maxRecordBytes) {
    throw new TidemarkError(
      "TIDEMARK_EVENT_TOO_LARGE",
      `the record's value is of ${value.length} bytes; it may be of ${maxRecordBytes} at most`,
    );
  }
  return recordText(value);
}
