import type { FastifyReply } from "fastify";
import type { Sight } from "../../infra/access/rights.ts";
import type { Entry } from "../../infra/tail/tail.ts";
import { TidemarkError } from "../../views/errors.ts";
import { exactName } from "../../views/version.ts";
import type { View } from "../../views/view.ts";
import type { ChangedEntries } from "../changed-entries.ts";
import { EventStream } from "../event-stream.ts";
import type { Versions } from "../versions.ts";
import { Lane } from "./lane.ts";
import { type Client, LiveQuery, type LiveQueryParts } from "./live-query.ts";
import { defaultSlowMs } from "./subscriber.ts";

/** What live queries may take. */
export interface LiveLimits {
  /** How many clients may follow queries at a time. Default 1,000. */
  readonly subscribers: number;
  /** The least time between two changes that are told. Default 100 ms. */
  readonly leastEveryMs: number;
  /** See `Subscriber`. */
  readonly slowMs: number;
}

export const defaultLiveLimits: LiveLimits = { subscribers: 1_000, leastEveryMs: 100, slowMs: defaultSlowMs };

/** The query, and how often its changes are told at most. */
export interface LiveQuestion {
  /** That the client asked by. */
  readonly name: string;
  /** What it meant then. */
  readonly view: View;
  readonly search: string;
  readonly everyMs: number;
  /** What the client may see. */
  readonly sight: Sight;
}

/** Shares of the time of this thread: of what is computed from changed entries, and of what needs a scan. */
const updateShare = 0.05;
const scanShare = 0.1;
/** After a change, how long to wait for more of them before looking who is concerned. */
const gatherMs = 20;
/** For how long a query is remembered that nobody follows, for those who come back. */
const rememberMs = 60_000;
const mostRemembered = 256;

type LiveQueriesParts = Omit<LiveQueryParts, "name" | "spread" | "slowMs" | "left"> & {
  readonly versions: Versions;
  readonly changed: ChangedEntries;
};

/** All live queries of this process. While nobody follows any they cost nothing. */
export class LiveQueries implements Disposable {
  readonly limits: LiveLimits;
  readonly #parts: LiveQueriesParts;
  readonly #ends: readonly Disposable[];
  readonly #queries = new Map<string, LiveQuery>();
  readonly #streams = new Set<EventStream>();
  readonly #lanes: readonly Lane[];
  /** Those that were promised a stream. */
  #followers = 0;
  #watching: Disposable | undefined;
  #looking: Disposable | undefined;
  #isClosed = false;

  constructor(parts: LiveQueriesParts, limits: LiveLimits) {
    this.#parts = parts;
    this.#ends = [
      parts.versions.onMove(() => this.#endMoved()),
      parts.changed.on((view, entry) => this.#note(view, entry)),
    ];
    this.limits = limits;
    const those = (needScan: boolean) => () =>
      [...this.#queries.values()].filter((query) => query.size > 0 && query.needsScan === needScan);
    this.#lanes = [
      new Lane(parts.clock, updateShare, those(false)),
      new Lane(parts.clock, scanShare, those(true)),
    ];
  }

  /** Comes back once the first event is written. Throws what a query throws that is answered once, or TIDEMARK_LIVE_FULL. */
  async follow(question: LiveQuestion, client: Client, reply: FastifyReply): Promise<void> {
    if (this.#isClosed) throw closed();
    if (this.#followers >= this.limits.subscribers) {
      throw new TidemarkError(
        "TIDEMARK_LIVE_FULL",
        `${this.limits.subscribers} clients follow live queries here, which is the most: try again later, ask another node, or ask without live=true`,
      );
    }
    this.#followers++;
    let isOpen = false;
    try {
      // What each client waits for itself is no part of what they share.
      await this.#parts.queries.planned(exactName(question.view), question.search, question.sight);
      const query = await this.#queryOf(question);
      const open = (ended: () => void) => {
        isOpen = true;
        const stream = new EventStream(reply, this.#parts.clock, () => {
          this.#streams.delete(stream);
          this.#followers--;
          ended();
          if (this.#followers === 0) this.#idle();
        });
        this.#streams.add(stream);
        return stream;
      };
      await query.subscribe(open, client);
      this.#endMoved();
      if (this.#isClosed) this.endAll();
      this.#watch();
    } finally {
      if (!isOpen) this.#followers--;
    }
  }

  /** Clients that follow queries now. */
  get followers(): number {
    return this.#followers;
  }

  /** So that a server can close. */
  endAll(): void {
    this.#isClosed = true;
    for (const query of this.#queries.values()) query.endAll(closed());
    this.#idle();
    for (const lane of this.#lanes) lane[Symbol.dispose]();
  }

  /** Streams of a name that means another version by now: who connects again is told of that one. */
  #endMoved(): void {
    const { versions } = this.#parts;
    for (const query of this.#queries.values()) {
      const { stored } = query.plan.query;
      if (query.size > 0 && versions.find(query.name) !== stored) query.endAll(moved(query.name, versions));
    }
  }

  [Symbol.dispose](): void {
    for (const end of this.#ends) end[Symbol.dispose]();
  }

  async #queryOf({ name, view, search, everyMs, sight }: LiveQuestion): Promise<LiveQuery> {
    const parameters = new URLSearchParams(search);
    parameters.delete("after");
    parameters.delete("timeout");
    parameters.sort();
    const shared = parameters.toString();
    const plan = await this.#parts.queries.planned(exactName(view), shared, sight);
    // Who may see other rows shares nothing with this one; who means this very version is not ended with those who said the name.
    const key = JSON.stringify([everyMs, name, view.name, shared, sight.scope]);
    const known = this.#queries.get(key);
    if (known !== undefined) return known;
    const query = new LiveQuery(
      { plan, search: shared, everyMs, sight },
      {
        ...this.#parts,
        name,
        slowMs: this.limits.slowMs,
        spread: (segments) => this.#parts.changed.spread(view, segments),
        left: () => this.#forgetLater(key, query),
      },
    );
    if (this.#queries.size >= mostRemembered) this.#forgetOne();
    this.#queries.set(key, query);
    return query;
  }

  #forgetLater(key: string, query: LiveQuery): void {
    this.#parts.clock.after(rememberMs, () => {
      if (query.isIdle && this.#queries.get(key) === query) this.#queries.delete(key);
    });
  }

  #forgetOne(): void {
    for (const [key, { isIdle }] of this.#queries) {
      if (!isIdle) continue;
      this.#queries.delete(key);
      return;
    }
  }

  #note(view: View, entry: Entry): void {
    for (const query of this.#queries.values()) if (query.plan.query.stored === view) query.note(entry);
  }

  #watch(): void {
    if (this.#isClosed || this.#followers === 0) return;
    this.#watching ??= this.#parts.snapshots.onChange(() => this.#look());
    // What came before it was watched.
    this.#look();
  }

  #look(): void {
    this.#looking ??= this.#parts.clock.after(gatherMs, () => {
      this.#looking = undefined;
      for (const lane of this.#lanes) lane.wake();
    });
  }

  #idle(): void {
    this.#watching?.[Symbol.dispose]();
    this.#looking?.[Symbol.dispose]();
    this.#watching = undefined;
    this.#looking = undefined;
  }
}

function moved(name: string, versions: Versions): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_LIVE_CLOSED",
    `view "${name}" was flipped to version ${versions.find(name)?.version}: connect again`,
  );
}

function closed(): TidemarkError {
  return new TidemarkError("TIDEMARK_LIVE_CLOSED", "this server is being stopped: connect again");
}
