import type { Sight } from "../../infra/access/rights.ts";
import type { GenerationReader } from "../../infra/generations/generations.ts";
import type { Entry, Segment, Tail } from "../../infra/tail/tail.ts";
import { TidemarkError } from "../../views/errors.ts";
import { exactName } from "../../views/version.ts";
import { type Clock, Turns } from "../clock.ts";
import type { EventStream } from "../event-stream.ts";
import type { LogBound } from "../log-bound.ts";
import type { Plan } from "../plan.ts";
import { approximationsOf, provenanceOf } from "../provenance.ts";
import type { Queries } from "../query.ts";
import { isShownAsStored } from "../shown-rows.ts";
import type { Snapshot, Snapshots } from "../snapshot.ts";
import type { Task } from "./lane.ts";
import { LiveGroups } from "./live-groups.ts";
import { Subscriber } from "./subscriber.ts";
import { ToldEvents } from "./told-events.ts";

export interface LiveQueryParts {
  /** Of the view, as those say who follow. */
  readonly name: string;
  readonly queries: Queries;
  readonly snapshots: Snapshots;
  readonly tail: Tail;
  readonly logEnd: LogBound;
  readonly clock: Clock;
  /** Brings the changed entries of these segments to all live queries of the view, this one among them. */
  readonly spread: (segments: readonly Segment[]) => void;
  /** Nobody follows it any more. */
  readonly left: (query: LiveQuery) => void;
  readonly slowMs: number;
}

/** A client that follows a query. */
export interface Client {
  /** The id of the last event that it has. */
  readonly lastId: string | undefined;
  /** For how long it may be told; undefined: as long as it likes. */
  readonly leaseMs: number | undefined;
}

/** What timers take at most: 24 days. */
const longestTimerMs = 2 ** 31 - 1;

/** What rows were computed from. */
interface Basis {
  readonly reader: GenerationReader | undefined;
  readonly version: number;
}

/**
 * One live query and all who follow it: its rows are computed once for all of them. Groups of a view that is shown as it is
 * stored are kept up to date by the entries that change; any other query is asked anew.
 */
export class LiveQuery implements Task {
  readonly name: string;
  readonly plan: Plan;
  readonly #search: string;
  readonly #everyMs: number;
  readonly #sight: Sight;
  readonly #parts: LiveQueryParts;
  readonly #told: ToldEvents;
  readonly #subscribers = new Set<Subscriber>();
  /** Names of the columns that tell rows apart. */
  readonly #key: readonly string[];
  /** The generation's part, and the segments whose entries are in; undefined until it is read. */
  #groups: LiveGroups | undefined;
  #reader: GenerationReader | undefined;
  #segments: readonly Segment[] = [];
  #isAsked: boolean;
  #basis: Basis | undefined;
  #restsUntil = Number.NEGATIVE_INFINITY;
  #performing: Promise<void> | undefined;

  constructor(
    { plan, search, everyMs, sight }: { plan: Plan; search: string; everyMs: number; sight: Sight },
    parts: LiveQueryParts,
  ) {
    this.name = parts.name;
    this.plan = plan;
    this.#search = search;
    this.#everyMs = everyMs;
    this.#sight = sight;
    this.#parts = parts;
    const { view, stored, columns, groupBy, buckets, attributes, layer, limit, fill } = plan.query;
    const isMade = !isShownAsStored(stored) || attributes.length > 0 || fill !== undefined;
    this.#isAsked = isMade || layer === "batch";
    this.#key = [
      ...groupBy.map((i) => columns[i]?.name ?? ""),
      ...(view.window === undefined || buckets === undefined ? [] : [view.window.name]),
    ];
    this.#told = new ToldEvents(limit, this.#key);
  }

  get size(): number {
    return this.#subscribers.size;
  }

  /** Nobody follows it, nor is about to. */
  get isIdle(): boolean {
    return this.size === 0 && this.#performing === undefined;
  }

  /** Whether bringing it up to date takes more than a look at what changed. */
  get needsScan(): boolean {
    return this.#isAsked || this.#groups === undefined || this.#reader !== this.#snapshot()?.reader;
  }

  get dueAt(): number | undefined {
    return this.size > 0 && this.#isBehind() ? this.#restsUntil : undefined;
  }

  /** An entry of the view's tail is new or has changed. */
  note(entry: Entry): void {
    this.#groups?.note(entry);
  }

  /** Begins to tell this client; one that comes back with the id of an event is told what changed since. */
  async subscribe(open: (closed: () => void) => EventStream, { lastId, leaseMs }: Client): Promise<void> {
    if (this.#isBehind()) await this.#refresh();
    const stream = open(() => {
      lease?.[Symbol.dispose]();
      subscriber.left();
      this.#subscribers.delete(subscriber);
      if (this.size === 0) this.#rest();
    });
    const { clock, slowMs } = this.#parts;
    const subscriber = new Subscriber(stream, this.#told.changeOf(lastId), clock, slowMs, () =>
      this.#told.tell(subscriber),
    );
    this.#subscribers.add(subscriber);
    const lease =
      leaseMs === undefined
        ? undefined
        : clock.after(Math.min(leaseMs, longestTimerMs), () => subscriber.end(expired()));
    this.#told.tell(subscriber);
  }

  async perform(): Promise<void> {
    try {
      await this.#refresh();
    } catch (error) {
      // It will be asked again as soon as it can be answered.
      if (!(error instanceof TidemarkError && error.code === "TIDEMARK_NOT_READY")) this.endAll(error);
    }
    this.#restsUntil = this.#parts.clock.now() + this.#everyMs;
    for (const subscriber of [...this.#subscribers]) this.#told.tell(subscriber);
  }

  endAll(error: unknown): void {
    for (const subscriber of [...this.#subscribers]) subscriber.end(error);
  }

  /** The snapshot that answers rest on now; undefined while there is none. */
  #snapshot(): Snapshot | undefined {
    const { stored, layer } = this.plan.query;
    const { snapshots } = this.#parts;
    if (layer === "batch") return snapshots.batch(stored);
    return snapshots.unready(stored) === undefined ? snapshots.serving(stored) : undefined;
  }

  #isBehind(): boolean {
    const basis = this.#basis;
    if (basis === undefined) return true;
    const { layer } = this.plan.query;
    if (layer === "batch") return this.#snapshot()?.reader !== basis.reader;
    return this.#parts.tail.version !== basis.version;
  }

  /** Nobody follows: what can be made again is let go. */
  #rest(): void {
    this.#groups = undefined;
    this.#segments = [];
    this.#told.letGo();
    this.#parts.left(this);
  }

  /** Whoever comes while it is done waits for it. */
  #refresh(): Promise<void> {
    this.#performing ??= this.#bringUpToDate().finally(() => {
      this.#performing = undefined;
    });
    return this.#performing;
  }

  async #bringUpToDate(): Promise<void> {
    while (!this.#isAsked) {
      if (await this.#compute()) return;
    }
    await this.#ask();
  }

  async #ask(): Promise<void> {
    const { queries, tail } = this.#parts;
    const { view, layer } = this.plan.query;
    const version = tail.version;
    const reader = layer === "batch" ? this.#snapshot()?.reader : undefined;
    const answer = await queries.rows(exactName(view), this.#search, this.#sight, {
      isGone: () => false,
      isKnown: () => false,
    });
    if (answer.kind !== "json") throw new Error(`live rows are read as JSON, not ${answer.kind}`);
    const { rows, provenance } = JSON.parse(answer.text) as {
      readonly rows: readonly Readonly<Record<string, unknown>>[];
      readonly provenance: unknown;
    };
    const keyOf = (row: Readonly<Record<string, unknown>>) =>
      JSON.stringify(Object.fromEntries(this.#key.map((name) => [name, row[name]])));
    const page = new Map(rows.map((row) => [keyOf(row), JSON.stringify(row)]));
    this.#replace(page, JSON.stringify(provenance), { reader, version });
  }

  /** False if things have changed meanwhile, so that it has to be done again. */
  async #compute(): Promise<boolean> {
    const { snapshots, tail, logEnd: bound, spread } = this.#parts;
    const { stored, layer } = this.plan.query;
    const logEnd = await bound.current();
    const snapshot = snapshots.serving(stored);
    if (this.#groups === undefined || this.#reader !== snapshot.reader) {
      await this.#readGroups(snapshot);
      return false;
    }
    const segments = snapshots.segments(snapshot);
    // No await from here on: changed entries, states and position are of one moment.
    spread(segments);
    if (segments.length !== this.#segments.length || segments.some((each, i) => each !== this.#segments[i])) {
      this.#groups.join(segments);
      this.#segments = segments;
    }
    if (this.#groups.areTooMany) {
      this.#isAsked = true;
      this.#groups = undefined;
      return false;
    }
    const provenance = provenanceOf(layer, snapshot, tail.position(stored), logEnd);
    const approximate = approximationsOf(this.plan.query);
    const basis = { reader: snapshot.reader, version: tail.version };
    this.#replace(this.#groups.page(), JSON.stringify({ ...provenance, approximate }), basis);
    return true;
  }

  /** The generation's part. */
  async #readGroups(snapshot: Snapshot): Promise<void> {
    const { snapshots, clock } = this.#parts;
    const reader = this.plan.query.layer === "speed" ? undefined : snapshot.reader;
    const held = snapshots.hold(snapshot);
    try {
      this.#groups = await LiveGroups.read(this.plan, reader, new Turns(clock, () => false));
    } finally {
      held[Symbol.dispose]();
    }
    this.#reader = snapshot.reader;
    this.#segments = [];
    this.#isAsked = this.#groups === undefined;
  }

  #replace(page: ReadonlyMap<string, string>, provenance: string, basis: Basis): void {
    this.#told.replace(page, provenance);
    this.#basis = basis;
  }
}

function expired(): TidemarkError {
  return new TidemarkError("TIDEMARK_AUTH_TOKEN", "the token has expired: connect again with a new one");
}
