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
  #position = "0-0";
  #isClosed = false;
  #watchdog: NodeJS.Timeout | undefined;
  #place: () => void = () => undefined;
  /** Resolves once it follows: what changes from then on is told. */
  readonly placed = new Promise<void>((resolve) => {
    this.#place = resolve;
  });

  constructor(link: RedisLink, key: string, tell: (stored: RedisRun) => void) {
    this.#client = link.connect({ connectTimeout: 2_000 });
    this.#key = key;
    this.#tell = tell;
    void this.#follow();
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
    clearInterval(this.#watchdog);
    // What it waits for need not come back: ioredis forgets what it would have sent after a reconnection.
    this.#client.disconnect();
  }

  async #follow(): Promise<void> {
    let isPlaced = false;
    while (!this.#isClosed) {
      try {
        if (!isPlaced) this.#position = await this.#end();
        isPlaced = true;
        this.#place();
        for (const [id, text] of await this.#next()) {
          if (this.#isClosed) return;
          this.#tell(parse(text));
          this.#position = id;
        }
        this.#wake();
      } catch {
        // Redis refuses just now. While it is gone, the read waits for it.
        if (!this.#isClosed) await new Promise((resolve) => setTimeout(resolve, patienceMs));
      }
    }
  }

  /** The changes after the position; none if none came for a while. */
  async #next(): Promise<readonly (readonly [id: string, text: string])[]> {
    // A connection that is half gone never answers: it is made anew, and ioredis asks again.
    this.#watchdog = setInterval(() => this.#client.disconnect(true), 3 * blockMs);
    try {
      const reply = await this.#client.xread("BLOCK", blockMs, "STREAMS", this.#key, this.#position);
      const entries = (reply ?? []).flatMap(([, ofStream]) => ofStream);
      return entries.map(([id, [, text = ""]]) => [id, text] as const);
    } finally {
      clearInterval(this.#watchdog);
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
