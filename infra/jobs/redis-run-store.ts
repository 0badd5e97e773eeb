import { TidemarkError } from "../../views/errors.ts";
import type { RedisLink } from "../redis/redis-link.ts";
import { mostQueued } from "./admission.ts";
import { hasExamples, type Run, type RunRequest, reviveRun, withoutExamples } from "./jobs.ts";
import { admitScript, replaceScript } from "./redis-run-scripts.ts";
import { type HeldRun, hasEnded } from "./settle.ts";

export interface RedisRun extends HeldRun {
  /** The hold of the worker that began it last; none but that one settles it. */
  readonly hold: string | null;
}

/** A run as it stands now, and the change that made it so; null if nothing was changed. */
export interface Changed {
  readonly stored: RedisRun;
  readonly change: string | null;
}

/** A lock of BullMQ's: under it, and for as long as it is held by this token, a worker may begin runs. */
export interface Lock {
  readonly key: string;
  readonly token: string;
}

export type Admission =
  | { readonly kind: "admitted"; readonly change: string }
  | { readonly kind: "known" | "busy" | "full"; readonly run: Run };

/**
 * Every run that is queued or going on and the last ones that ended, in Redis. Each change is one script: the run, its place and
 * the entry in the stream of changes are written together, or not at all.
 */
export class RedisRunStore {
  readonly #link: RedisLink;
  readonly #keep: number;
  readonly #keys: readonly string[];

  constructor(link: RedisLink, prefix: string, keep: number) {
    this.#link = link;
    this.#keep = keep;
    const keys = ["records", "order", "unfinished", "number", "changes"];
    this.#keys = keys.map((key) => `${prefix}:run-${key}`);
  }

  get changesKey(): string {
    return this.#key(4);
  }

  async admit(stored: RedisRun, ifBusy: RunRequest["ifBusy"]): Promise<Admission> {
    const { id } = stored.run;
    const most = `${mostQueued(stored.run.kind)}`;
    const reply = await this.#eval(admitScript, [], id, JSON.stringify(stored), ifBusy, most);
    const [kind, text] = reply as [Admission["kind"], string];
    return kind === "admitted" ? { kind, change: text } : { kind, run: parse(text).run };
  }

  async read(id: string): Promise<RedisRun | undefined> {
    const text = await this.#link.perform((client) => client.hget(this.#key(0), id));
    return text === null ? undefined : parse(text);
  }

  /** Newest first. */
  list(limit: number): Promise<readonly RedisRun[]> {
    return this.#link.perform(async (client) =>
      this.#readAll(await client.zrevrange(this.#key(1), 0, limit - 1)),
    );
  }

  /** Those that have not ended, oldest first. */
  unfinished(): Promise<readonly RedisRun[]> {
    return this.#link.perform(async (client) => this.#readAll(await client.zrange(this.#key(2), "0", "-1")));
  }

  /**
   * Changes a run to what `next` makes of it, which may be asked more than once and gives undefined for no change.
   * Throws TIDEMARK_RUN_UNKNOWN; TIDEMARK_STORE_LOCKED if the lock under which it is to be changed has been lost.
   */
  async change(
    id: string,
    next: (stored: RedisRun) => RedisRun | undefined,
    lock: Lock = { key: this.#key(0), token: "" },
  ): Promise<Changed> {
    for (;;) {
      const text = await this.#link.perform((client) => client.hget(this.#key(0), id));
      if (text === null) throw new TidemarkError("TIDEMARK_RUN_UNKNOWN", `there is no run "${id}"`);
      const stored = parse(text);
      const replaced = next(stored);
      if (replaced === undefined) return { stored, change: null };
      const isEnded = hasEnded(replaced.run) ? "1" : "0";
      const values = [id, text, JSON.stringify(replaced), isEnded, `${this.#keep}`, lock.token];
      const change = await this.#eval(replaceScript, [lock.key], ...values);
      if (change === "locked") {
        throw new TidemarkError("TIDEMARK_STORE_LOCKED", `run ${id} is in another worker's hands by now`);
      }
      if (typeof change === "string") return { stored: replaced, change };
    }
  }

  /** Keeps of what each run found no rows, neither in its record nor among the changes that watchers are told. */
  async forgetExamples(): Promise<void> {
    const ids = await this.#link.perform((client) => client.zrange(this.#key(1), "0", "-1"));
    for (const id of ids) {
      await this.change(id, (stored) =>
        hasExamples(stored.run) ? { ...stored, run: withoutExamples(stored.run) } : undefined,
      );
    }
    await this.#link.perform(async (client) => {
      for (const [id, [, text = ""]] of await client.xrange(this.changesKey, "-", "+")) {
        if (hasExamples(parse(text).run)) await client.xdel(this.changesKey, id);
      }
    });
  }

  async #readAll(ids: readonly string[]): Promise<readonly RedisRun[]> {
    if (ids.length === 0) return [];
    const texts = await this.#link.client.hmget(this.#key(0), ...ids);
    return texts.flatMap((text) => (text === null ? [] : [parse(text)]));
  }

  #eval(script: string, more: readonly string[], ...values: readonly string[]): Promise<unknown> {
    const keys = [...this.#keys, ...more];
    return this.#link.perform((client) => client.eval(script, keys.length, ...[...keys, ...values]));
  }

  #key(index: number): string {
    return this.#keys[index] ?? "";
  }
}

/** Written by this module alone. */
export function parse(text: string): RedisRun {
  const stored: RedisRun = JSON.parse(text);
  return { ...stored, run: reviveRun(stored.run) };
}
