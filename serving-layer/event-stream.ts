import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import type { Clock } from "./clock.ts";

const heartbeatMs = 15_000;

/** Server-sent events to one client, with a comment every 15 seconds so that nothing between takes it for dead. */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #clock: Clock;
  readonly #closed: () => void;
  #beat: Disposable | undefined;
  #isOpen = true;

  /** Takes the reply over. `closed` is called once, later, whoever closed it. */
  constructor(reply: FastifyReply, clock: Clock, closed: () => void) {
    reply.hijack();
    const response = reply.raw;
    this.#response = response;
    this.#clock = clock;
    this.#closed = closed;
    response.writeHead(200, {
      ...(reply.getHeaders() as OutgoingHttpHeaders),
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    response.on("close", () => this.close());
    response.on("error", () => this.close());
    this.#keepAlive();
    if (response.destroyed) queueMicrotask(() => this.close());
  }

  /** The client has not taken what was written last; more would pile up here. */
  get isBlocked(): boolean {
    return this.#response.writableNeedDrain;
  }

  write(event: string | Uint8Array): void {
    if (this.#isOpen) this.#response.write(event);
  }

  /** Calls back each time that a blocked client has taken everything. */
  onDrain(listener: () => void): void {
    this.#response.on("drain", listener);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#beat?.[Symbol.dispose]();
    this.#response.end();
    this.#closed();
  }

  /** For a client that takes nothing: does not wait until it has taken what was written. */
  cutOff(): void {
    this.close();
    this.#response.destroy();
  }

  #keepAlive(): void {
    this.#beat = this.#clock.after(heartbeatMs, () => {
      if (!this.isBlocked) this.write(": still here\n\n");
      this.#keepAlive();
    });
  }
}

/** One event; `data` is a line. */
export function eventText(event: string, data: string, id?: string): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`;
}
