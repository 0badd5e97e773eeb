import { flightLines } from "../flights-in-order.ts";
import { Random } from "../random.ts";
import { type ClusterOptions, ClusterPlatform } from "./cluster-platform.ts";
import { Flow } from "./flow.ts";
import { Reader } from "./reader.ts";

export interface StageOptions extends ClusterOptions {
  readonly seed: number;
  /** How many flights there are to flow. */
  readonly events: number;
  readonly say?: (text: string) => void;
}

/** A cluster on which things go wrong while flights flow in and a client reads. */
export class Stage implements AsyncDisposable {
  readonly platform: ClusterPlatform;
  readonly random: Random;
  readonly flow: Flow;
  readonly reader: Reader;
  rowsCompared = 0;
  readonly #options: StageOptions;

  static async open(options: StageOptions): Promise<Stage> {
    const lines = await flightLines(options.events);
    return new Stage(options, await ClusterPlatform.start(options), lines);
  }

  private constructor(options: StageOptions, platform: ClusterPlatform, lines: readonly string[]) {
    this.#options = options;
    this.platform = platform;
    this.random = new Random(options.seed);
    this.flow = new Flow(platform, lines, new Random(options.seed + 1));
    this.reader = new Reader(platform);
  }

  say(text: string): void {
    this.#options.say?.(text);
  }

  /**
   * Has the fault happen while the flights flow. After it every serving node must answer exactly, and a run must
   * have been held against that, without any drift.
   */
  async survive(what: string, fault: (stage: Stage) => Promise<void>): Promise<void> {
    const started = performance.now();
    try {
      this.flow.begin();
      await fault(this);
      await this.flow.pause();
      await this.#requireExact(what);
    } catch (error) {
      const { message } = error as Error;
      throw new Error(`seed ${this.#options.seed}, ${what}: ${message}\n${this.platform.said}`, {
        cause: error,
      });
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    this.say(`${what}: survived in ${seconds} s, ${this.flow.sent} events, ${this.rowsCompared} rows equal`);
  }

  async #requireExact(when: string): Promise<void> {
    const { platform } = this;
    this.rowsCompared += await platform.compareAll(when);
    const served = await platform.flightsServed();
    if (served !== this.flow.sent) throw new Error(`${this.flow.sent} flights were sent, ${served} count`);
    // A first one may find a speed layer that does not go back as far as the generation before.
    for (let run = 1; !platform.isCompared(await platform.runIsDone(await platform.startRun())); run++) {
      if (run === 3) throw new Error("three runs could not be held against what was served");
      await this.flow.send(200);
    }
  }

  /** Ends everything: no run has ever drifted, time never ran backwards, and `tidemark verify` finds nothing. */
  async end(): Promise<void> {
    await this.reader.end();
    await this.platform.requireNeverDrifted();
    await this.platform.verify();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flow.pause().catch(() => {});
    await this.reader.end().catch(() => {});
    await this.platform[Symbol.asyncDispose]();
  }
}
