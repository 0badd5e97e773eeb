import { problemOf } from "../../infra/http.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Clock } from "../clock.ts";
import { type EventStream, eventText } from "../event-stream.ts";

/** For how long a client may leave what was sent to it before it is dropped. */
export const defaultSlowMs = 30_000;
/** For how long after that the reason lies ready for it to read. */
const letGoMs = 30_000;

/** One client of a live query. What it does not take in time is not kept for it: it is told the sum of it later. */
export class Subscriber {
  readonly stream: EventStream;
  /** The last change that it was told. */
  told: number;
  readonly #clock: Clock;
  readonly #slowMs: number;
  #blocked: Disposable | undefined;

  /** `ready` is called when it has taken everything after it had not. */
  constructor(stream: EventStream, told: number, clock: Clock, slowMs: number, ready: () => void) {
    this.stream = stream;
    this.told = told;
    this.#clock = clock;
    this.#slowMs = slowMs;
    stream.onDrain(() => {
      this.left();
      ready();
    });
  }

  get isBlocked(): boolean {
    return this.stream.isBlocked;
  }

  tell(event: Uint8Array, change: number): void {
    this.stream.write(event);
    this.told = change;
    if (this.isBlocked) this.#blocked ??= this.#clock.after(this.#slowMs, () => this.#drop());
  }

  /** Says why there is no more. */
  end(error: unknown): void {
    this.stream.write(eventText("end", JSON.stringify(problemOf(error))));
    this.stream.close();
  }

  /** It is gone, or has taken everything. */
  left(): void {
    this.#blocked?.[Symbol.dispose]();
    this.#blocked = undefined;
  }

  #drop(): void {
    const reason = `changes were left lying for ${this.#slowMs} ms: read faster, ask for fewer rows, or for changes less often (every=1s), and connect again`;
    this.end(new TidemarkError("TIDEMARK_LIVE_SLOW", reason));
    // It may come back and read why; what it has not taken by then is let go.
    this.#blocked = this.#clock.after(letGoMs, () => this.stream.cutOff());
  }
}
