import { setTimeout } from "node:timers/promises";

/** How many lines wait to be sent at most before whoever brings more has to wait. */
const mostWaiting = 20_000;
const retryMs = 500;

interface Waiting {
  readonly lines: string[];
  /** The end of the last transaction that is whole with these lines. */
  committed: string | undefined;
}

/**
 * Lines on their way to Tidemark, in order: what comes while a request is under way goes with the next one. Tries again until
 * they are taken, and then says which transactions are.
 */
export class Sender {
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #taken: (committed: string) => void;
  #waiting: Waiting = { lines: [], committed: undefined };
  #sending: Promise<void> | undefined;

  constructor(tidemark: string, apiKey: string | undefined, taken: (committed: string) => void) {
    this.#url = new URL("/v1/events", tidemark);
    const authorization = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
    this.#headers = { "content-type": "application/x-ndjson", ...authorization };
    this.#taken = taken;
  }

  /** Gives a promise if enough is waiting: send nothing more before it resolves. */
  send(change: unknown): Promise<void> | undefined {
    this.#waiting.lines.push(JSON.stringify(change));
    this.#sending ??= this.#sendAll();
    return this.#waiting.lines.length < mostWaiting ? undefined : this.#sending;
  }

  /** All that was sent before is of transactions up to here. */
  commit(end: string): void {
    this.#waiting.committed = end;
    this.#sending ??= this.#sendAll();
  }

  /** Resolves when nothing is waiting any more. */
  async flushed(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
  }

  async #sendAll(): Promise<void> {
    try {
      // What comes in the same turn goes together.
      await setTimeout(0);
      while (this.#waiting.lines.length > 0 || this.#waiting.committed !== undefined) {
        const { lines, committed } = this.#waiting;
        this.#waiting = { lines: [], committed: undefined };
        while (lines.length > 0 && !(await this.#post(lines))) await setTimeout(retryMs);
        if (committed !== undefined) this.#taken(committed);
      }
    } finally {
      this.#sending = undefined;
    }
  }

  /** Whether they are kept, as events or as dead letters. */
  async #post(lines: readonly string[]): Promise<boolean> {
    let response: Response;
    try {
      response = await fetch(this.#url, { method: "POST", headers: this.#headers, body: lines.join("\n") });
    } catch {
      return false;
    }
    const answer = (await response.json().catch(() => ({}))) as Answer;
    const { rejectedCount = 0, rejected: [first] = [] } = answer;
    if (rejectedCount > 0) {
      process.stderr.write(`${rejectedCount} changes are dead letters now; the first: ${first?.message}\n`);
    }
    // None of them may be one that was taken.
    return response.ok || (rejectedCount > 0 && response.status < 429);
  }
}

interface Answer {
  readonly rejectedCount?: number;
  readonly rejected?: readonly { readonly message: string }[];
}
