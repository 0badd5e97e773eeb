import { MultiBar, type SingleBar } from "cli-progress";
import type { Terminal } from "./terminal.ts";

const lineEveryMs = 5_000;

/**
 * How far a long work is: a bar on a terminal that someone watches, else a line every five seconds. `note` prints a
 * line that stays, above the bar.
 */
export class Progress implements Disposable {
  readonly #terminal: Terminal;
  readonly #label: string;
  readonly #total: number;
  readonly #bars: MultiBar | undefined;
  readonly #bar: SingleBar | undefined;
  #lineAt: number;

  /** `total` is in any unit; `update` speaks of the same. 0 where it is not known. */
  constructor(terminal: Terminal, label: string, total: number) {
    this.#terminal = terminal;
    this.#label = label;
    this.#total = total;
    this.#lineAt = terminal.now() + lineEveryMs;
    if (!terminal.isInteractive) return;
    const share = total > 0 ? " {bar} {percentage} %" : "";
    this.#bars = new MultiBar({
      format: `${label}${share}  {detail}`,
      stream: terminal.err,
      barCompleteChar: "━",
      barIncompleteChar: "─",
      barsize: 30,
      fps: 8,
      hideCursor: true,
      linewrap: false,
      clearOnComplete: true,
      gracefulExit: false,
      emptyOnZero: true,
    });
    this.#bar = this.#bars.create(Math.max(total, 1), 0, { detail: "" });
  }

  update(value: number, detail: string): void {
    if (this.#bar !== undefined) {
      this.#bar.update(Math.min(value, Math.max(this.#total, 1)), { detail });
      return;
    }
    const now = this.#terminal.now();
    if (now < this.#lineAt) return;
    this.#lineAt = now + lineEveryMs;
    const share = this.#total > 0 ? ` ${Math.floor((100 * value) / this.#total)} %` : "";
    this.#terminal.err.write(`${this.#label}${share}  ${detail}\n`);
  }

  note(text: string): void {
    if (this.#bars !== undefined) this.#bars.log(`${text}\n`);
    else this.#terminal.err.write(`${text}\n`);
  }

  [Symbol.dispose](): void {
    this.#bars?.stop();
  }
}
