import type { IncomingHttpHeaders } from "node:http";
import { freeMemory } from "../infra/free-memory.ts";
import { type Channel, type Handler, Peer } from "../infra/peer.ts";
import { type DescribedError, describeError, reviveError } from "../views/errors.ts";
import type { Outcome } from "./intake.ts";
import type { Form } from "./media-type.ts";
import type { Pressure } from "./pressure.ts";
import type {
  LocalReception,
  LocalRequestReception,
  Reception,
  RequestReception,
  Terms,
} from "./reception.ts";

interface Call {
  readonly id: number;
  readonly terms: Terms;
  readonly argument: unknown;
}

interface ThreadOutcome extends Outcome {
  readonly failure: DescribedError | undefined;
}

/**
 * What a request may have sent to the thread that the thread has not looked at: more than comes in while the fold has its
 * turn.
 */
const unreadBytes = 2 * 1024 * 1024;

/**
 * Hands requests' bytes to another thread, where `serveReception` answers: parsing, checking and writing then keep
 * neither queries nor the fold waiting, and a second core has something to do.
 */
export class ThreadReception implements Reception {
  readonly #peer: Peer;
  readonly #pressure: Pressure;
  #requests = 0;

  constructor(peer: Peer, pressure: Pressure) {
    this.#peer = peer;
    this.#pressure = pressure;
  }

  receive(terms: Terms): RequestReception {
    return new ThreadRequestReception(this.#peer, this.#pressure, ++this.#requests, terms);
  }
}

class ThreadRequestReception implements RequestReception {
  readonly #peer: Peer;
  readonly #pressure: Pressure;
  readonly #id: number;
  readonly #terms: Terms;
  /** What was sent to the thread and not yet looked at, and what the thread has on its way to the log. */
  #unread = 0;
  #inFlight = 0;
  #failure: { readonly reason: unknown } | undefined;
  #fail: (reason: unknown) => void = () => undefined;
  readonly failed = new Promise<never>((_resolve, reject) => {
    this.#fail = reject;
  });
  #resume: (() => void) | undefined;

  constructor(peer: Peer, pressure: Pressure, id: number, terms: Terms) {
    this.#peer = peer;
    this.#pressure = pressure;
    this.#id = id;
    this.#terms = terms;
    this.failed.catch(() => undefined);
  }

  push(chunk: Buffer): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.reason;
    const { length } = chunk;
    this.#hold(length, 0);
    const shared = sharedCopyOf(chunk);
    freeMemory(chunk);
    this.#call("push", shared).then(
      (inFlight) => this.#hold(-length, (inFlight as number) - this.#inFlight),
      (reason: unknown) => {
        this.#failure ??= { reason };
        this.#fail(reason);
        this.#hold(-length, 0);
      },
    );
    return this.#unread <= unreadBytes ? undefined : this.#read();
  }

  async takeWhole(
    body: Buffer,
    form: Exclude<Form, "ndjson">,
    headers: IncomingHttpHeaders,
  ): Promise<"one" | "many"> {
    this.#hold(body.length, 0);
    try {
      const bytes = copyOf(body);
      return (await this.#call("takeWhole", { body: bytes, form, headers }, bytes)) as "one" | "many";
    } finally {
      this.#hold(-body.length, 0);
    }
  }

  async finish(isWhole: boolean): Promise<Outcome & { readonly failure: unknown }> {
    try {
      const { failure, ...outcome } = (await this.#call("finish", isWhole)) as ThreadOutcome;
      // What became of each chunk was answered before this.
      const reason = failure === undefined ? this.#failure?.reason : reviveError(failure);
      return { ...outcome, failure: reason };
    } finally {
      this.#hold(0, -this.#inFlight);
    }
  }

  /** `moved`: the bytes in the argument. */
  #call(method: string, argument: unknown, moved?: Uint8Array<ArrayBuffer>): Promise<unknown> {
    const call: Call = { id: this.#id, terms: this.#terms, argument };
    return this.#peer.call(method, call, moved === undefined ? {} : { moved: [moved.buffer] });
  }

  #hold(unread: number, inFlight: number): void {
    this.#unread += unread;
    this.#inFlight += inFlight;
    this.#pressure.hold(unread + inFlight);
    if (this.#unread <= unreadBytes) this.#resume?.();
  }

  async #read(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#resume = resolve;
    });
    this.#resume = undefined;
  }
}

/** Bytes of their own, to be moved to the thread: a chunk may be a piece of a larger buffer, or of one that is still read. */
function copyOf(bytes: Buffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** A copy that both threads see: moved ones count with either thread's heap, as in `BatchMemory`, shared ones with none. */
function sharedCopyOf(bytes: Buffer): Uint8Array<SharedArrayBuffer> {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

/** The other end: takes what a ThreadReception sends; `handlers` answer whatever else is called. */
export function serveReception(
  channel: Channel,
  reception: LocalReception,
  handlers: Readonly<Record<string, Handler>> = {},
): Peer {
  const requests = new Map<number, { readonly taken: LocalRequestReception; last: Promise<unknown> }>();
  function requestOf({ id, terms }: Call) {
    const request = requests.get(id) ?? { taken: reception.receive(terms), last: Promise.resolve() };
    requests.set(id, request);
    return request;
  }
  /** A request's calls one after the other, whatever each has to wait for; after one that failed nothing more is taken. */
  const inTurn =
    <A, R>(take: (taken: LocalRequestReception, argument: A) => Promise<R> | R) =>
    (payload: unknown): Promise<R> => {
      const call = payload as Call;
      const request = requestOf(call);
      const result = request.last.then(() => take(request.taken, call.argument as A));
      request.last = result;
      return result;
    };
  const push = inTurn(async (taken, chunk: Uint8Array) => {
    await taken.push(asBuffer(chunk));
    return taken.inFlight;
  });
  const takeWhole = inTurn(
    (
      taken,
      {
        body,
        form,
        headers,
      }: { body: Uint8Array; form: Exclude<Form, "ndjson">; headers: IncomingHttpHeaders },
    ) => taken.takeWhole(asBuffer(body), form, headers),
  );
  async function finish(payload: unknown): Promise<ThreadOutcome> {
    const call = payload as Call;
    const { taken, last } = requestOf(call);
    const hasFailed = await last.then(
      () => false,
      () => true,
    );
    requests.delete(call.id);
    const { failure, ...outcome } = await taken.finish(call.argument === true && !hasFailed);
    return { ...outcome, failure: failure === undefined ? undefined : describeError(failure) };
  }
  return new Peer(channel, { ...handlers, push, takeWhole, finish });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
