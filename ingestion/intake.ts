import type { DeadLetters, NewDeadLetter } from "../infra/dead-letters/dead-letters.ts";
import type { Append, Log, RecordHeaders } from "../infra/log/log.ts";
import { requireUtf8 } from "../infra/log/record-text.ts";
import { changedTable, isTombstone } from "../views/change.ts";
import type { Offset, Position } from "../views/cut.ts";
import { type Decoder, type Envelope, parseEnvelope, requireEnvelope } from "../views/decoder.ts";
import { withAttributes } from "../views/envelope-text.ts";
import { type ErrorCode, TidemarkError } from "../views/errors.ts";
import type { Event } from "../views/event.ts";
import { envelopeText } from "../views/record-envelope.ts";
import { formatTime } from "../views/time.ts";
import { bareChange } from "./bare-change.ts";
import { type Completion, missingAttributes } from "./completion.ts";
import type { KeyPartitions } from "./key-partitions.ts";
import type { Pressure } from "./pressure.ts";

export interface Rejection {
  /** The event's place in the request: its index in the array, or its line, from 0. */
  readonly index: number;
  readonly code: ErrorCode;
  readonly message: string;
}

/** What has become of a request's events. */
export interface Outcome {
  readonly accepted: number;
  /** The first ones. */
  readonly rejected: readonly Rejection[];
  readonly rejectedCount: number;
  /** How many were rejected for what, all of them. */
  readonly rejectedByCode: Partial<Record<ErrorCode, number>>;
  /** The next offset after the last accepted event, of each partition that took any. */
  readonly position: Position;
}

export interface IntakeParts {
  readonly decoder: Decoder;
  readonly partitions: KeyPartitions;
  readonly log: Log;
  readonly deadLetters: DeadLetters;
  /** Told of what is on its way. */
  readonly pressure?: Pressure;
  readonly clock: () => number;
  readonly eventBytes: number;
}

const maxRejections = 1_000;
/** What goes to the log, or to the dead letters, at once. */
const sendRecords = 2_000;
const sendBytes = 1024 * 1024;
/** What one request may have on the way to the log before it stops reading. */
const inFlightBytes = 4 * 1024 * 1024;
/** What a small record or letter weighs beside its bytes. */
const recordWeight = 256;
/** As much of a rejected event as the dead letters keep. */
export const letterBytes = 64 * 1024;

/** One request's way in: texts to events, events to the log, rejections to the dead letters, in bounded memory. */
export class Intake {
  readonly #parts: IntakeParts;
  readonly #completion: Completion;
  readonly #headers: RecordHeaders | undefined;
  #records: Append[] = [];
  #recordBytes = 0;
  #letters: NewDeadLetter[] = [];
  #letterBytes = 0;
  #accepted = 0;
  #rejectedCount = 0;
  readonly #rejected: Rejection[] = [];
  readonly #rejectedByCode: Partial<Record<ErrorCode, number>> = {};
  readonly #position = new Map<string, Map<number, Offset>>();
  #inFlight = 0;
  #flights = 0;
  #failure: { readonly reason: unknown } | undefined;
  #fail: (reason: unknown) => void = () => undefined;
  /** Rejects as soon as something that was taken can't be kept. */
  readonly failed = new Promise<never>((_resolve, reject) => {
    this.#fail = reject;
  });
  #waiting: (() => void)[] = [];

  constructor(parts: IntakeParts, completion: Completion) {
    this.#parts = parts;
    this.#completion = completion;
    const { traceparent } = completion;
    this.#headers = traceparent === undefined ? undefined : { traceparent };
    this.failed.catch(() => undefined);
  }

  /** An event's text and the bytes it was sent as, which must not change until they are in the log. */
  take(text: string, bytes: Buffer, index: number): void {
    if (text === "null" && this.#saysNothing(null)) return;
    let envelope: Envelope | undefined;
    try {
      envelope = parseEnvelope(text);
      this.#add(envelope, text, bytes);
    } catch (failure) {
      this.reject(failure, bytes, index, { type: typeOf(envelope) });
    }
  }

  /** The same for text that was parsed already, of any length. */
  takeParsed(value: unknown, text: string, bytes: Buffer, index: number): void {
    if (value === null && this.#saysNothing(value)) return;
    try {
      if (bytes.length > this.#parts.eventBytes) throw this.#tooLarge(bytes.length);
      this.#add(requireEnvelope(value), text, bytes);
    } catch (failure) {
      this.reject(failure, bytes, index, { type: typeOf(value) });
    }
  }

  /** Notes the rejection and keeps the bytes as a dead letter. What is no TidemarkError is thrown on. */
  reject(
    failure: unknown,
    raw: Buffer,
    index: number,
    known: { readonly bytes?: number; readonly type?: unknown } = {},
  ): void {
    if (!(failure instanceof TidemarkError)) throw failure;
    const { code, message } = failure;
    if (this.#rejectedCount++ < maxRejections) this.#rejected.push({ index, code, message });
    this.#rejectedByCode[code] = (this.#rejectedByCode[code] ?? 0) + 1;
    const receivedAt = formatTime(this.#parts.clock());
    const { bytes = raw.length, type = this.#completion.type } = known;
    const topic = typeof type === "string" && this.#parts.partitions.has(type) ? type : null;
    const kept = raw.subarray(0, letterBytes);
    this.#letters.push({ receivedAt, code, message, raw: kept, bytes, topic, record: null });
    this.#letterBytes += Math.min(raw.length, letterBytes);
    if (this.#letters.length >= sendRecords || this.#letterBytes >= sendBytes) this.send();
  }

  /** An event of so many bytes, of which only the beginning was kept. */
  rejectTooLarge(beginning: Buffer, bytes: number, index: number): void {
    this.reject(this.#tooLarge(bytes), beginning, index, { bytes });
  }

  /** Starts what was taken so far on its way. */
  send(): void {
    if (this.#records.length > 0) {
      const records = this.#records;
      this.#records = [];
      this.#launch(this.#recordBytes + records.length * recordWeight, this.#append(records));
      this.#recordBytes = 0;
    }
    if (this.#letters.length > 0) {
      const letters = this.#letters;
      this.#letters = [];
      this.#launch(this.#letterBytes + letters.length * recordWeight, this.#parts.deadLetters.put(letters));
      this.#letterBytes = 0;
    }
  }

  /**
   * Gives a promise if enough is on its way: take nothing more before it resolves. Throws what became of it, if it
   * has failed.
   */
  ready(): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.reason;
    return this.#inFlight <= inFlightBytes ? undefined : this.#landed();
  }

  /** Bytes on their way to the log or the dead letters, with a weight for each. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Waits until all that was taken is durable, or has failed: then `failure` says why. */
  async finish(): Promise<Outcome & { readonly failure: unknown }> {
    this.send();
    while (this.#flights > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return {
      accepted: this.#accepted,
      rejected: this.#rejected,
      rejectedCount: this.#rejectedCount,
      rejectedByCode: this.#rejectedByCode,
      position: this.#position,
      failure: this.#failure?.reason,
    };
  }

  #add(envelope: Envelope, text: string, bytes: Buffer): void {
    requireUtf8(text, bytes);
    if (this.#saysNothing(envelope)) return;
    const change = bareChange(envelope, this.#completion, this.#parts.decoder);
    if (change !== undefined) {
      const value = envelopeText(change, text);
      this.#keep(this.#parts.decoder.event(change.envelope, text), Buffer.from(value));
      return;
    }
    const missing = missingAttributes(envelope, this.#completion);
    const isWhole = missing === undefined;
    const event = this.#parts.decoder.event(isWhole ? envelope : { ...envelope, ...missing }, text);
    this.#keep(event, isWhole ? bytes : Buffer.from(withAttributes(text, missing)));
  }

  /** Whether it is a tombstone of the changes that the request is of: neither taken nor rejected. */
  #saysNothing(value: unknown): boolean {
    const { type } = this.#completion;
    return isTombstone(value) && type !== undefined && this.#parts.decoder.changesOf(type) !== undefined;
  }

  #keep({ type, key }: Pick<Event, "type" | "key">, value: Buffer): void {
    const partition = this.#parts.partitions.of(type, key);
    const headers = this.#headers;
    this.#records.push({ topic: type, partition, key, value, ...(headers && { headers }) });
    this.#recordBytes += value.length;
    if (this.#records.length >= sendRecords || this.#recordBytes >= sendBytes) this.send();
  }

  async #append(records: readonly Append[]): Promise<void> {
    const position = await this.#parts.log.append(records);
    this.#accepted += records.length;
    for (const [topic, partitions] of position) {
      const reached = this.#position.get(topic) ?? new Map<number, Offset>();
      this.#position.set(topic, reached);
      for (const [partition, next] of partitions) {
        if (next > (reached.get(partition) ?? -1)) reached.set(partition, next);
      }
    }
  }

  #launch(weight: number, flight: Promise<void>): void {
    this.#inFlight += weight;
    this.#flights++;
    this.#parts.pressure?.hold(weight);
    const land = () => {
      this.#inFlight -= weight;
      this.#flights--;
      this.#parts.pressure?.release(weight);
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const resume of waiting) resume();
    };
    flight.then(land, (reason: unknown) => {
      this.#failure ??= { reason };
      this.#fail(reason);
      land();
    });
  }

  async #landed(): Promise<void> {
    while (this.#inFlight > inFlightBytes) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#failure !== undefined) throw this.#failure.reason;
  }

  #tooLarge(bytes: number): TidemarkError {
    return new TidemarkError(
      "TIDEMARK_EVENT_TOO_LARGE",
      `the event is of ${bytes} bytes; an event may be of ${this.#parts.eventBytes} at most`,
    );
  }
}

/** What the value says that it is of, if it says anything. */
function typeOf(value: unknown): unknown {
  return (Object(value) as { readonly type?: unknown }).type ?? changedTable(value);
}
