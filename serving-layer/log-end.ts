import type { Log } from "../infra/log/log.ts";
import type { Cut, Offset } from "../views/cut.ts";
import type { Clock } from "./clock.ts";

const maxAgeMs = 100;

/** Where the log ends, as of at most 100 ms ago: what lag is counted from. */
export class LogEnd {
  readonly #log: Log;
  readonly #clock: Clock;
  #cut: Cut | undefined;
  #at = 0;
  #refreshing: Promise<Cut> | undefined;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Undefined if it has to be asked for again. The same object as long as nothing was asked anew. */
  known(): Cut | undefined {
    return this.#clock.now() - this.#at <= maxAgeMs ? this.#cut : undefined;
  }

  async current(): Promise<Cut> {
    const known = this.known();
    if (known !== undefined) return known;
    this.#refreshing ??= this.#ask().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #ask(): Promise<Cut> {
    const at = this.#clock.now();
    const entries = await Promise.all(
      this.#log.topics.map(
        async ({ name }): Promise<[string, readonly Offset[]]> => [name, await this.#log.nexts(name)],
      ),
    );
    this.#cut = Object.fromEntries(entries);
    this.#at = at;
    return this.#cut;
  }
}
