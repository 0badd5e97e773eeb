import type { Redis } from "ioredis";
import type { RedisLink } from "../redis/redis-link.ts";
import { parse, type RedisRun } from "./redis-run-store.ts";

const blockMs = 5_000;
const patienceMs = 1_000;

/**
 * Follows the changes of runs, whichever process makes them, in order. Over an outage of Redis it goes on where it was;
 * changes are missed only if more than a thousand came meanwhile.
 */
export class RunChanges implements AsyncDisposable {
  readonly #client: Redis;
  readonly #key: string;
  readonly #tell: (stored: RedisRun) => void;
  readonly #waiting = new Set<() => void>();
  readonly #done: Promise<void>;
  #position = "0-0";
  #isClosed = false;
  #place: () => void = () => undefined;
  /** Resolves once it follows: what changes from then on is told. */
  readonly placed = new Promise<void>((resolve) => {
    this.#place = resolve;
  });

  constructor(link: RedisLink, key: string, tell: (stored: RedisRun) => void) {
    // A read that never comes back (a connection that is half gone) is given up, and asked anew.
    this.#client = link.connect({ commandTimeout: 3 * blockMs, connectTimeout: 2_000 });
    this.#key = key;
    this.#tell = tell;
    this.#done = this.#follow();
  }

  /** Resolves once the listeners know of the change, or after a second: Redis may be gone again. */
  async reached(change: string | null): Promise<void> {
    if (change === null) return;
    const until = Date.now() + patienceMs;
    while (isBefore(this.#position, change) && !this.#isClosed && Date.now() < until) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, until - Date.now());
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    this.#place();
    this.#client.disconnect();
    await this.#done;
  }

  async #follow(): Promise<void> {
    let isPlaced = false;
    while (!this.#isClosed) {
      try {
        if (!isPlaced) this.#position = await this.#end();
        isPlaced = true;
        this.#place();
        const reply = await this.#client.xread("BLOCK", blockMs, "STREAMS", this.#key, this.#position);
        for (const [, entries] of reply ?? []) {
          for (const [id, [, text]] of entries) {
            if (text !== undefined) this.#tell(parse(text));
            this.#position = id;
          }
        }
        this.#wake();
      } catch {
        // Redis is gone or half gone; it comes back to us, and we go on where we were.
        if (this.#isClosed) return;
        this.#client.disconnect(true);
        await new Promise((resolve) => this.#client.once("ready", resolve).once("end", resolve));
      }
    }
  }

  /** Where the stream ends now: what came before is not told. */
  async #end(): Promise<string> {
    const [entry] = await this.#client.xrevrange(this.#key, "+", "-", "COUNT", 1);
    return entry?.[0] ?? "0-0";
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** Ids of a stream are two whole numbers, `<ms>-<count>`. */
function isBefore(a: string, b: string): boolean {
  const [aMs = "0", aCount = "0"] = a.split("-");
  const [bMs = "0", bCount = "0"] = b.split("-");
  return Number(aMs) < Number(bMs) || (aMs === bMs && Number(aCount) < Number(bCount));
}
