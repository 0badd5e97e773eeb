import { Progress } from "../progress.ts";
import { formatCount, formatRate } from "../quantity.ts";
import type { Terminal } from "../terminal.ts";

/** What a replay is about: a bar while it folds, a word while DuckDB computes and while the two are compared. */
export class ReplayProgress implements Disposable {
  readonly #terminal: Terminal;
  #shown: Progress | undefined;
  #startedAt = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  folding(records: number): void {
    this.#show("folding", records);
  }

  folded(records: number): void {
    const rate = formatRate(records, this.#terminal.now() - this.#startedAt);
    this.#shown?.update(records, `${formatCount(records)} records, ${rate}`);
  }

  computing(): void {
    this.#show("computing by SQL", 0);
  }

  comparing(): void {
    this.#show("comparing", 0);
  }

  compared(keys: number): void {
    this.#shown?.update(keys, `${formatCount(keys)} keys`);
  }

  #show(label: string, total: number): void {
    this.#shown?.[Symbol.dispose]();
    this.#startedAt = this.#terminal.now();
    this.#shown = new Progress(this.#terminal, label, total);
  }

  [Symbol.dispose](): void {
    this.#shown?.[Symbol.dispose]();
  }
}
