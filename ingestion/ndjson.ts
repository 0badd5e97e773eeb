import { isAscii } from "node:buffer";
import { TidemarkError } from "../views/errors.ts";
import { GrowingBytes } from "./growing-bytes.ts";

/** What the lines of a stream are given to. Lines count from 0, blank ones too. */
export interface LineTaker {
  /** `bytes` are a view of the chunk, without the line's end. */
  line(text: string, bytes: Buffer, index: number): void;
  /** A line over the limit, of which only the beginning was kept. */
  tooLong(beginning: Buffer, bytes: number, index: number): void;
}

export interface LineLimits {
  readonly lineBytes: number;
  /** How much is kept of a line that is too long. */
  readonly keptBytes: number;
  /** Lines that go on beyond this end the stream with TIDEMARK_INGEST_BODY_TOO_LARGE. */
  readonly skippedBytes: number;
}

const newline = 0x0a;
const carriageReturn = 0x0d;

/** Cuts a stream of chunks into lines; holds no more than one line, and of that no more than the limit. */
export class LineReader {
  readonly #limits: LineLimits;
  readonly #taker: LineTaker;
  /** The line that the chunks so far have begun and not ended. */
  readonly #begun = new GrowingBytes();
  /** Bytes of the line in hand, if it is too long to be kept whole. */
  #skipped = 0;
  #index = 0;

  constructor(limits: LineLimits, taker: LineTaker) {
    this.#limits = limits;
    this.#taker = taker;
  }

  push(chunk: Buffer): void {
    let at = 0;
    if (this.#begun.length > 0 || this.#skipped > 0) {
      const next = chunk.indexOf(newline);
      this.#carry(next === -1 ? chunk : chunk.subarray(0, next));
      if (next === -1) return;
      this.#endCarried();
      at = next + 1;
    }
    at = isAscii(chunk) ? this.#asciiLines(chunk, at) : this.#lines(chunk, at);
    if (at < chunk.length) this.#carry(chunk.subarray(at));
  }

  /** The last line needs no newline. */
  end(): void {
    if (this.#begun.length > 0 || this.#skipped > 0) this.#endCarried();
  }

  /** One text for the whole chunk, whose places are those of its bytes: a call per chunk, not per line. */
  #asciiLines(chunk: Buffer, from: number): number {
    const text = chunk.toString("latin1");
    let at = from;
    for (let next = text.indexOf("\n", at); next !== -1; next = text.indexOf("\n", at)) {
      const isCr = text.charCodeAt(next - 1) === carriageReturn && next > at;
      const end = isCr ? next - 1 : next;
      this.#line(text.slice(at, end), chunk.subarray(at, end));
      at = next + 1;
    }
    return at;
  }

  #lines(chunk: Buffer, from: number): number {
    let at = from;
    for (let next = chunk.indexOf(newline, at); next !== -1; next = chunk.indexOf(newline, at)) {
      const bytes = withoutReturn(chunk.subarray(at, next));
      this.#line(bytes.toString(), bytes);
      at = next + 1;
    }
    return at;
  }

  #line(text: string, bytes: Buffer): void {
    const index = this.#index++;
    if (bytes.length > this.#limits.lineBytes) {
      this.#taker.tooLong(bytes.subarray(0, this.#limits.keptBytes), bytes.length, index);
    } else if (!isBlank(text)) this.#taker.line(text, bytes, index);
  }

  #carry(piece: Buffer): void {
    const { lineBytes, keptBytes, skippedBytes } = this.#limits;
    if (this.#skipped === 0 && this.#begun.length + piece.length <= lineBytes + 1) {
      this.#begun.add(piece);
      return;
    }
    if (this.#skipped === 0) {
      const begun = this.#begun.take();
      this.#skipped = begun.length;
      this.#begun.add(begun.subarray(0, keptBytes));
    }
    this.#begun.add(piece.subarray(0, Math.max(0, keptBytes - this.#begun.length)));
    this.#skipped += piece.length;
    if (this.#skipped > skippedBytes) {
      throw new TidemarkError(
        "TIDEMARK_INGEST_BODY_TOO_LARGE",
        `line ${this.#index} goes on beyond ${skippedBytes} bytes: end each event with a newline`,
      );
    }
  }

  #endCarried(): void {
    const skipped = this.#skipped;
    this.#skipped = 0;
    const begun = this.#begun.take();
    if (skipped > 0) {
      this.#taker.tooLong(begun, skipped, this.#index++);
      return;
    }
    const bytes = withoutReturn(begun);
    this.#line(bytes.toString(), bytes);
  }
}

function withoutReturn(line: Buffer): Buffer {
  return line[line.length - 1] === carriageReturn ? line.subarray(0, -1) : line;
}

function isBlank(text: string): boolean {
  return text.charCodeAt(0) > 0x20 ? false : text.trim() === "";
}
