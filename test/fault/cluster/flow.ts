import type { Random } from "../random.ts";
import type { ClusterPlatform } from "./cluster-platform.ts";

/** Shortest time from one request to the next. */
const gapMs = 50;

/** Flights that flow in, in order, while something goes wrong: a producer that sends again what was not acknowledged. */
export class Flow {
  /** How many were acknowledged. */
  sent = 0;
  readonly #platform: ClusterPlatform;
  readonly #lines: readonly string[];
  readonly #random: Random;
  #isFlowing = false;
  #flowing: Promise<void> = Promise.resolve();

  constructor(platform: ClusterPlatform, lines: readonly string[], random: Random) {
    this.#platform = platform;
    this.#lines = lines;
    this.#random = random;
  }

  begin(): void {
    if (this.#isFlowing) return;
    this.#isFlowing = true;
    this.#flowing = this.#flow();
    // Whoever pauses it hears of it.
    this.#flowing.catch(() => {});
  }

  /** Comes back once all that was sent is acknowledged. */
  async pause(): Promise<void> {
    this.#isFlowing = false;
    await this.#flowing;
  }

  async #flow(): Promise<void> {
    while (this.#isFlowing) {
      await this.send(this.#random.whole(1, 60));
      await new Promise((resolve) => setTimeout(resolve, gapMs));
    }
  }

  async send(count: number): Promise<void> {
    const next = Math.min(this.#lines.length, this.sent + count);
    if (next === this.sent) throw new Error(`all ${next} flights have been sent: give it more events`);
    await this.#platform.ingest(`${this.#lines.slice(this.sent, next).join("\n")}\n`);
    this.sent = next;
  }
}
