import type { Log } from "../infra/log/log.ts";
import { type Cut, cutsEqual, type Offset } from "../views/cut.ts";
import type { Clock } from "./clock.ts";

const maxAgeMs = 100;

/**
 * Where the log ends, what lag is counted from: as of at most 100 ms ago, and of no time before the log last said that it had
 * advanced.
 */
export class LogEnd implements Disposable {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #hearing: Disposable | undefined;
  #cut: Cut | undefined;
  #at = Number.NEGATIVE_INFINITY;
  /** How often the log has advanced: what was asked before may lack what came with it. */
  #advances = 0;
  #refreshing: { readonly advances: number; readonly cut: Promise<Cut> } | undefined;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    this.#hearing = log.onAdvance?.(() => {
      this.#advances++;
      this.#at = Number.NEGATIVE_INFINITY;
    });
  }

  /** Undefined if it has to be asked for again. The same object as long as the log ends there. */
  known(): Cut | undefined {
    return this.#clock.now() - this.#at <= maxAgeMs ? this.#cut : undefined;
  }

  async current(): Promise<Cut> {
    const known = this.known();
    if (known !== undefined) return known;
    if (this.#refreshing?.advances !== this.#advances) {
      this.#refreshing = { advances: this.#advances, cut: this.#ask() };
    }
    return this.#refreshing.cut;
  }

  [Symbol.dispose](): void {
    this.#hearing?.[Symbol.dispose]();
  }

  async #ask(): Promise<Cut> {
    const at = this.#clock.now();
    const advances = this.#advances;
    try {
      const entries = await Promise.all(
        this.#log.topics.map(
          async ({ name }): Promise<[string, readonly Offset[]]> => [name, await this.#log.nexts(name)],
        ),
      );
      const cut = Object.fromEntries(entries);
      if (advances !== this.#advances) return cut;
      if (this.#cut === undefined || !cutsEqual(this.#cut, cut)) this.#cut = cut;
      this.#at = at;
      return this.#cut;
    } finally {
      if (this.#refreshing?.advances === advances) this.#refreshing = undefined;
    }
  }
}
