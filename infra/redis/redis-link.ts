import { Redis, type RedisOptions } from "ioredis";
import { TidemarkError } from "../../views/errors.ts";
import { fitnessOf } from "./fitness.ts";
import type { RedisAddress } from "./redis-url.ts";

export interface RedisLinkOptions {
  readonly address: RedisAddress;
  /** Told once of each thing that is not as it should be, and works. */
  readonly warn: (message: string) => void;
  /** How long a command may take. Default 2,000 ms. */
  readonly commandMs?: number;
}

export type ConnectionOptions = Omit<RedisOptions, "replyMapping">;

/** Replies that say that the server can't serve just now, or not us. */
const refusal =
  /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|MISCONF|OOM|NOAUTH|WRONGPASS|NOPERM|BUSY|NOREPLICAS)\b/;

const defaultCommandMs = 2_000;
/** After which a server that is there, and can't be used, is asked again. */
const againMs = 1_000;

/**
 * The way to one Redis. Commands on it fail at once with TIDEMARK_JOBS_UNAVAILABLE while Redis is gone: none is kept to be
 * sent later, when nobody waits for it any more. It connects anew by itself.
 */
export class RedisLink implements AsyncDisposable {
  readonly address: RedisAddress;
  readonly #client: Redis;
  readonly #warn: (message: string) => void;
  readonly #warned = new Set<string>();
  readonly #clients = new Set<Redis>();
  readonly #waiting = new Set<{ resolve: () => void; reject: (error: Error) => void }>();
  readonly #listeners = new Set<() => void>();
  #obstacle: TidemarkError;
  #unfit: TidemarkError | undefined;
  #isUsable = false;
  #isClosed = false;
  #examined: () => void = () => undefined;
  #again: NodeJS.Timeout | undefined;

  /**
   * Resolves once Redis has been found fit, or was not to be reached for as long as a command may take: it may come later.
   * Throws TIDEMARK_CONFIG if it would throw data away.
   */
  static async open(options: RedisLinkOptions): Promise<RedisLink> {
    const link = new RedisLink(options);
    const examined = new Promise<void>((resolve) => {
      link.#examined = resolve;
    });
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise((resolve) => {
      timer = setTimeout(resolve, options.commandMs ?? defaultCommandMs);
    });
    await Promise.race([examined, enough]);
    clearTimeout(timer);
    if (link.#unfit === undefined) return link;
    await link[Symbol.asyncDispose]();
    throw link.#unfit;
  }

  private constructor({ address, warn, commandMs = defaultCommandMs }: RedisLinkOptions) {
    this.address = address;
    this.#warn = warn;
    this.#obstacle = this.#unreachable("no connection yet");
    this.#client = this.connect({
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: commandMs,
      connectTimeout: commandMs,
    });
    this.#client.on("ready", () => void this.#examine());
    this.#client.on("close", () => {
      if (this.#isUsable) this.#obstacle = this.#unreachable("the connection was closed");
      this.#isUsable = false;
    });
    this.#client.on("error", (error: Error) => {
      if (!this.#isUsable) this.#obstacle = this.#unreachable(reasonOf(error));
    });
  }

  /**
   * A connection of one's own, e.g. to block on; what is sent while Redis is gone is sent later, unless the
   * options say otherwise. Closed with the link.
   */
  connect(options: ConnectionOptions = {}): Redis {
    const all: ConnectionOptions = {
      ...this.address.options,
      maxRetriesPerRequest: null,
      keepAlive: 10_000,
      retryStrategy: (times) => (this.#isClosed ? null : Math.min(50 * times, 1_000)),
      // After a failover the former master is read-only: ask again where the master is.
      reconnectOnError: ({ message }) => message.startsWith("READONLY"),
      ...options,
    };
    const client = new Redis(all);
    // Without a listener an error ends the process. What it means for us is said by the first connection.
    client.on("error", () => undefined);
    this.#clients.add(client);
    client.on("end", () => this.#clients.delete(client));
    return client;
  }

  /** The connection that fails at once, for clients that need one. */
  get client(): Redis {
    return this.#client;
  }

  /** Performs commands; what fails since Redis is gone or refuses is TIDEMARK_JOBS_UNAVAILABLE. */
  async perform<R>(commands: (client: Redis) => Promise<R>): Promise<R> {
    if (!this.#isUsable) throw this.#obstacle;
    try {
      return await commands(this.#client);
    } catch (error) {
      if (!(error instanceof Error) || error instanceof TidemarkError) throw error;
      if (error.name === "ReplyError" && !refusal.test(error.message)) throw error;
      throw this.#unreachable(reasonOf(error), error);
    }
  }

  /**
   * Performs commands as soon as Redis can be used, and again if it goes away or refuses meanwhile: they must bear being
   * repeated. Rejects when the link is closed or the signal aborted before.
   */
  async persist<R>(commands: () => Promise<R>, signal?: AbortSignal): Promise<R> {
    for (;;) {
      await this.available();
      try {
        return await commands();
      } catch (error) {
        const isUnavailable = error instanceof TidemarkError && error.code === "TIDEMARK_JOBS_UNAVAILABLE";
        if (!isUnavailable || signal?.aborted === true) throw error;
        if (this.#isUsable) await new Promise((resolve) => setTimeout(resolve, againMs));
      }
    }
  }

  get obstacle(): string | undefined {
    return this.#isUsable ? undefined : this.#obstacle.message;
  }

  /** Resolves once Redis can be used. */
  available(): Promise<void> {
    if (this.#isUsable) return Promise.resolve();
    if (this.#isClosed) return Promise.reject(this.#obstacle);
    return new Promise((resolve, reject) => this.#waiting.add({ resolve, reject }));
  }

  /** Calls back each time that Redis can be used again. */
  onAvailable(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#again);
    this.#isUsable = false;
    this.#obstacle = this.#unreachable("closed");
    for (const client of this.#clients) client.disconnect();
    for (const { reject } of this.#waiting) reject(this.#obstacle);
    this.#waiting.clear();
  }

  async #examine(): Promise<void> {
    try {
      const info = `${await this.#client.info("memory")}\n${await this.#client.info("persistence")}`;
      const { unfit, warnings } = fitnessOf(info, this.address.shown);
      for (const warning of warnings) {
        if (!this.#warned.has(warning)) this.#warn(warning);
        this.#warned.add(warning);
      }
      this.#unfit = unfit;
      if (unfit !== undefined) this.#obstacle = new TidemarkError("TIDEMARK_JOBS_UNAVAILABLE", unfit.message);
      this.#isUsable = unfit === undefined && this.#client.status === "ready";
    } catch (error) {
      // Refused; or lost again, and looked at with the next connection.
      this.#obstacle = this.#unreachable(reasonOf(error));
    }
    this.#examined();
    if (!this.#isUsable) {
      if (this.#client.status === "ready") this.#again = setTimeout(() => void this.#examine(), againMs);
      return;
    }
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting.clear();
    for (const listener of this.#listeners) listener();
  }

  #unreachable(reason: string, cause?: unknown): TidemarkError {
    return new TidemarkError(
      "TIDEMARK_JOBS_UNAVAILABLE",
      `Redis at ${this.address.shown} can't be used (${reason}); batch runs wait until it can`,
      cause === undefined ? {} : { cause },
    );
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Of several addresses that a host has, none answered: the error itself has no message.
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(", ");
  if (/enableOfflineQueue|max retries per request/i.test(error.message)) return "the connection was closed";
  return error.message;
}
