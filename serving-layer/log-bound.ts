import type { Log } from "../infra/log/log.ts";
import { type Cut, cutsEqual, type Offset } from "../views/cut.ts";
import type { Clock } from "./clock.ts";

const maxAgeMs = 100;
/** After which answers no longer wait for a log that does not answer. */
const patienceMs = 1_000;

/** Where the log began or ended when it answered last. */
export interface KnownBound {
  readonly cut: Cut;
  /** Whether that is as of at most 100 ms ago; else the log does not answer, and may have more by now. */
  readonly isCurrent: boolean;
}

/**
 * Where some of the log's topics begin, or end, which is what lag is counted from: as of at most 100 ms ago, and of no time
 * before the log last said that it had advanced. Of a log that does not answer for a second, it is what was known last.
 */
export class LogBound implements Disposable {
  readonly #log: Log;
  readonly #topics: readonly string[];
  readonly #bound: "starts" | "nexts";
  readonly #clock: Clock;
  readonly #hearing: Disposable | undefined;
  #end: KnownBound | undefined;
  #at = Number.NEGATIVE_INFINITY;
  /** How often the log has advanced: what was asked before may lack what came with it. */
  #advances = 0;
  #refreshing: Asking | undefined;

  constructor(log: Log, topics: readonly string[], bound: "starts" | "nexts", clock: Clock) {
    this.#log = log;
    this.#topics = topics;
    this.#bound = bound;
    this.#clock = clock;
    this.#hearing = log.onAdvance?.(() => {
      this.#advances++;
      this.#at = Number.NEGATIVE_INFINITY;
    });
  }

  /** Undefined if it has to be asked for again. The same object as long as it is there. */
  known(): KnownBound | undefined {
    return this.#clock.now() - this.#at <= maxAgeMs ? this.#end : undefined;
  }

  async current(): Promise<KnownBound> {
    const known = this.known();
    if (known !== undefined) return known;
    if (this.#refreshing?.advances !== this.#advances) this.#refreshing = this.#begin();
    const { end, late } = this.#refreshing;
    const last = this.#end;
    return last === undefined ? end : Promise.race([end, late.then(() => ({ ...last, isCurrent: false }))]);
  }

  #begin(): Asking {
    const advances = this.#advances;
    let isLate = () => {};
    const late = new Promise<void>((resolve) => {
      isLate = resolve;
    });
    const patience = this.#clock.after(patienceMs, isLate);
    const end = this.#ask().finally(() => patience[Symbol.dispose]());
    return { advances, end, late };
  }

  [Symbol.dispose](): void {
    this.#hearing?.[Symbol.dispose]();
  }

  async #ask(): Promise<KnownBound> {
    const at = this.#clock.now();
    const advances = this.#advances;
    try {
      const entries = await Promise.all(
        this.#topics.map(
          async (topic): Promise<[string, readonly Offset[]]> => [topic, await this.#log[this.#bound](topic)],
        ),
      );
      const cut = Object.fromEntries(entries);
      if (advances !== this.#advances) return { cut, isCurrent: true };
      if (this.#end === undefined || !cutsEqual(this.#end.cut, cut)) this.#end = { cut, isCurrent: true };
      this.#at = at;
      return this.#end;
    } finally {
      if (this.#refreshing?.advances === advances) this.#refreshing = undefined;
    }
  }
}

/** A question to the log, under way. */
interface Asking {
  readonly advances: number;
  readonly end: Promise<KnownBound>;
  /** Resolves when patience is at its end. */
  readonly late: Promise<void>;
}
