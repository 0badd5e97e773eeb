import { type DescribedError, describeError, reviveError, TidemarkError } from "../views/errors.ts";

/** One end of a channel between two processes; `process` and `ChildProcess` both are one. */
export interface Channel {
  /** `moved`: memory in the message that the other end takes over, where it is a thread; it is empty here afterwards. */
  send(message: unknown, moved?: readonly ArrayBuffer[]): void;
  onMessage(listener: (message: unknown) => void): void;
  onClose(listener: () => void): void;
}

/** What answers a call. Progress may be reported any number of times before the answer. */
export type Handler = (
  payload: unknown,
  report: (progress: unknown) => void,
  signal: AbortSignal,
) => Promise<unknown>;

type Message =
  | { readonly kind: "call"; readonly id: number; readonly method: string; readonly payload: unknown }
  | { readonly kind: "abort"; readonly id: number }
  | { readonly kind: "progress"; readonly id: number; readonly progress: unknown }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | ({ readonly kind: "error"; readonly id: number } & DescribedError);

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly report: (progress: unknown) => void;
}

export interface CallOptions {
  readonly report?: (progress: unknown) => void;
  readonly signal?: AbortSignal;
  /** See `Channel`. */
  readonly moved?: readonly ArrayBuffer[];
}

/** Calls over a channel, both ways, each with progress and abort. A call fails when the other process goes away. */
export class Peer {
  readonly #channel: Channel;
  readonly #handlers: Readonly<Record<string, Handler>>;
  readonly #pending = new Map<number, Pending>();
  readonly #running = new Map<number, AbortController>();
  #isClosed = false;
  #calls = 0;

  constructor(channel: Channel, handlers: Readonly<Record<string, Handler>>) {
    this.#channel = channel;
    this.#handlers = handlers;
    channel.onMessage((message) => void this.#receive(message as Message));
    channel.onClose(() => this.#close());
  }

  call(method: string, payload: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(gone(method));
    const id = ++this.#calls;
    const abort = () => this.#channel.send({ kind: "abort", id } satisfies Message);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, report: options.report ?? (() => undefined) });
      this.#channel.send({ kind: "call", id, method, payload } satisfies Message, options.moved);
      options.signal?.addEventListener("abort", abort, { once: true });
    }).finally(() => {
      this.#pending.delete(id);
      options.signal?.removeEventListener("abort", abort);
    });
  }

  async #receive(message: Message): Promise<void> {
    switch (message.kind) {
      case "call":
        await this.#answer(message.id, message.method, message.payload);
        return;
      case "abort":
        this.#running.get(message.id)?.abort();
        return;
      case "progress":
        this.#pending.get(message.id)?.report(message.progress);
        return;
      case "answer":
        this.#pending.get(message.id)?.resolve(message.value);
        return;
      case "error":
        this.#pending.get(message.id)?.reject(reviveError(message));
        return;
    }
  }

  async #answer(id: number, method: string, payload: unknown): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    const report = (progress: unknown) => this.#send({ kind: "progress", id, progress });
    try {
      const handler = this.#handlers[method];
      if (handler === undefined) throw new Error(`nobody answers "${method}"`);
      const value = await handler(payload, report, controller.signal);
      this.#send({ kind: "answer", id, value });
    } catch (error) {
      this.#send({ kind: "error", id, ...describeError(error) });
    } finally {
      this.#running.delete(id);
    }
  }

  #send(message: Message): void {
    if (!this.#isClosed) this.#channel.send(message);
  }

  #close(): void {
    this.#isClosed = true;
    for (const [, pending] of this.#pending) pending.reject(gone("the call"));
    for (const [, controller] of this.#running) controller.abort();
  }
}

function gone(what: string): TidemarkError {
  return new TidemarkError("TIDEMARK_PROCESS_GONE", `${what}: the other process is gone`);
}
