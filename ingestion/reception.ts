import type { IncomingHttpHeaders } from "node:http";
import type { Completion } from "./completion.ts";
import { Intake, type IntakeParts, letterBytes, type Outcome } from "./intake.ts";
import type { Form } from "./media-type.ts";
import { LineReader } from "./ndjson.ts";
import { takeWholeBody } from "./whole-body.ts";

/** What a request says about all of its events. */
export type Terms = Pick<Completion, "kind" | "source" | "type" | "traceparent">;

/** What becomes of the bytes of requests, in the gateway's thread or in one of their own. */
export interface Reception {
  receive(terms: Terms): RequestReception;
}

/** One request's bytes on their way to the log. */
export interface RequestReception {
  /** Rejects as soon as something that was taken can't be kept. */
  readonly failed: Promise<never>;
  /**
   * The next chunk of an NDJSON stream, which the caller has no more: it may be empty afterwards. Gives a promise if enough is on its way: push nothing more before it resolves.
   * Throws what has failed.
   */
  push(chunk: Buffer): Promise<void> | undefined;
  /** A body that was read whole; says whether it was one event or many. Rejects with TIDEMARK_INGEST_BODY. */
  takeWhole(
    body: Buffer,
    form: Exclude<Form, "ndjson">,
    headers: IncomingHttpHeaders,
  ): Promise<"one" | "many">;
  /** Waits until all that was taken is durable, or has failed. `isWhole`: the stream has come to its end. */
  finish(isWhole: boolean): Promise<Outcome & { readonly failure: unknown }>;
}

export type LocalReceptionParts = IntakeParts & Pick<Completion, "newId">;

/** Decodes and appends in the thread that asks for it. */
export class LocalReception implements Reception {
  readonly #parts: LocalReceptionParts;

  constructor(parts: LocalReceptionParts) {
    this.#parts = parts;
  }

  receive(terms: Terms): LocalRequestReception {
    const { clock, newId, eventBytes } = this.#parts;
    return new LocalRequestReception(new Intake(this.#parts, { ...terms, clock, newId }), eventBytes);
  }
}

export class LocalRequestReception implements RequestReception {
  readonly #intake: Intake;
  readonly #lines: LineReader;

  constructor(intake: Intake, eventBytes: number) {
    this.#intake = intake;
    this.#lines = new LineReader(
      { lineBytes: eventBytes, keptBytes: letterBytes, skippedBytes: eventBytes * 64 },
      {
        line: (text, bytes, index) => intake.take(text, bytes, index),
        tooLong: (beginning, bytes, index) => intake.rejectTooLarge(beginning, bytes, index),
      },
    );
  }

  get failed(): Promise<never> {
    return this.#intake.failed;
  }

  push(chunk: Buffer): Promise<void> | undefined {
    this.#lines.push(chunk);
    // A chunk is what there is now: waiting for more would keep events from being seen.
    this.#intake.send();
    return this.#intake.ready();
  }

  takeWhole(
    body: Buffer,
    form: Exclude<Form, "ndjson">,
    headers: IncomingHttpHeaders,
  ): Promise<"one" | "many"> {
    return takeWholeBody(body, form, headers, this.#intake);
  }

  finish(isWhole: boolean): Promise<Outcome & { readonly failure: unknown }> {
    if (isWhole) this.#lines.end();
    return this.#intake.finish();
  }

  /** Bytes of the request that are on their way to the log. */
  get inFlight(): number {
    return this.#intake.inFlight;
  }
}
