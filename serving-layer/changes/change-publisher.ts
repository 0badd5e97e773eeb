import { type Change, changeAppends } from "../../infra/changes/change-record.ts";
import type { Log, Topic } from "../../infra/log/log.ts";
import type { Entry, Segment } from "../../infra/tail/tail.ts";
import { parsePosition, positionCovered } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import type { ChangedEntries } from "../changed-entries.ts";
import type { Clock } from "../clock.ts";
import { formatOwn } from "../provenance.ts";
import type { Snapshot, Snapshots } from "../snapshot.ts";
import { CurrentRows, type RowMoment } from "./current-rows.ts";
import { ToldChanges } from "./told-changes.ts";

export interface ChangePublisherParts {
  /** One whose rows are shown as they are stored, or not at all where they are deleted. */
  readonly view: View;
  readonly topic: Topic;
  /** Has the topic. */
  readonly log: Log;
  readonly snapshots: Snapshots;
  readonly changed: ChangedEntries;
  readonly clock: Clock;
  readonly newId: () => string;
  /** How many rows were told. */
  readonly count: (rows: number) => void;
  /** What went wrong; it begins anew. */
  readonly warn: (message: string, error: unknown) => void;
  /** The least time between two looks at what changed: a row that changes more often is told as it is then. Default 100 ms. */
  readonly everyMs?: number;
}

/** What is told at once: computed in a few milliseconds, appended in one request. */
const rowsAtOnce = 500;
const retryMs = 2_000;
/** How long one that takes over waits for its tail to come to where the one before it was. */
const reachMs = 10_000;

interface Moment extends RowMoment {
  readonly snapshot: Snapshot;
}

/**
 * Brings a topic to tell the rows of a view, and keeps it so: each row that changes is told anew, each that is gone is ended. It
 * knows what the topic tells, whoever wrote it, and writes what differs. So nothing needs to be kept by who publishes: one that
 * takes over finds out what is missing, and should two publish for a while, the one that stays puts right what the other wrote.
 */
export class ChangePublisher implements AsyncDisposable {
  readonly #parts: ChangePublisherParts;
  readonly #id: string;
  readonly #rows: CurrentRows;
  readonly #touched = new Set<Entry>();
  readonly #stop = new AbortController();
  readonly #ends: readonly Disposable[];
  readonly #done: Promise<void>;
  /** Whose rows are all told, but for `#touched`. */
  #snapshot: Snapshot | undefined;
  #segments: readonly Segment[] = [];
  #wake: () => void = () => undefined;
  #endPause: () => void = () => undefined;

  constructor(parts: ChangePublisherParts) {
    this.#parts = parts;
    this.#id = parts.newId();
    this.#rows = new CurrentRows(parts.view);
    this.#ends = [
      parts.changed.on((view, entry) => view === parts.view && this.#touched.add(entry)),
      parts.snapshots.onChange(() => this.#wake()),
    ];
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    const { view, warn } = this.#parts;
    while (!this.#stop.signal.aborted) {
      try {
        await this.#publish();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        warn(`rows of view "${view.name}" can't be published; it is tried again`, error);
        await this.#pause(retryMs);
      }
    }
  }

  /** Until told to stop, or the topic can't be read or written. */
  async #publish(): Promise<void> {
    const { log, topic, everyMs = 100 } = this.#parts;
    this.#snapshot = undefined;
    await using told = await ToldChanges.read({ log, topic, publisher: this.#id }, () => this.#wake());
    await this.#reach(told.positions);
    while (!this.#stop.signal.aborted) {
      // Made before looking: what changes meanwhile is not slept over.
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (this.#stop.signal.aborted) return;
      if (await this.#bring(told)) {
        await this.#pause(everyMs);
        await woken;
      }
    }
  }

  /** Another may have been a little ahead: rows are not to be told as they were before. */
  async #reach(positions: readonly string[]): Promise<void> {
    const { view, snapshots, everyMs = 100 } = this.#parts;
    const told = positions.map(
      (position) => new Map([...parsePosition(position)].filter(([topic]) => isOf(view, topic))),
    );
    const isReached = () => told.every((position) => positionCovered(snapshots.position(view), position));
    // What no record will ever reach, after a log was made anew, is not waited for.
    for (
      let waitedMs = 0;
      !isReached() && waitedMs < reachMs && !this.#stop.signal.aborted;
      waitedMs += everyMs
    ) {
      await this.#pause(everyMs);
    }
  }

  /** Brings the topic up to date, and says whether it is; false: the snapshot was switched meanwhile. */
  async #bring(told: ToldChanges): Promise<boolean> {
    const moment = this.#moment();
    if (moment === undefined) return true;
    const isWhole = !told.takeDisturbance() && this.#snapshot === moment.snapshot;
    return isWhole ? this.#drain(told, moment.snapshot, new Set()) : this.#bringAll(told, moment.snapshot);
  }

  /** Every row of the generation and of the tail, and whatever else the topic tells. Gives up the thread. */
  async #bringAll(told: ToldChanges, snapshot: Snapshot): Promise<boolean> {
    this.#snapshot = undefined;
    this.#segments = [];
    this.#touched.clear();
    const unseen = new Set(told.keys());
    using _hold = this.#parts.snapshots.hold(snapshot);
    const rows = snapshot.reader?.scan([], undefined, undefined) ?? [];
    for (const part of inParts(rows, rowsAtOnce)) {
      const moment = this.#moment();
      if (moment?.snapshot !== snapshot) return false;
      await this.#tell(
        told,
        moment,
        part.map((row) => this.#rows.merge(moment, row)),
        unseen,
      );
      await this.#parts.clock.nextTurn();
      this.#stop.signal.throwIfAborted();
    }
    if (!(await this.#drain(told, snapshot, unseen))) return false;
    this.#snapshot = snapshot;
    return true;
  }

  /** Tells what was touched until nothing is, and then the end of what is `unseen`. */
  async #drain(told: ToldChanges, snapshot: Snapshot, unseen: Set<string>): Promise<boolean> {
    for (;;) {
      const moment = this.#moment();
      if (moment?.snapshot !== snapshot) return false;
      // No await between this look and the rows: what is not touched by now, and unseen, is nowhere.
      this.#takeChanges(moment);
      const touched = take(this.#touched, rowsAtOnce);
      const gone = touched.length > 0 ? [] : take(unseen, rowsAtOnce);
      if (touched.length + gone.length === 0) return true;
      const changes = [
        ...touched.map(({ dimensions, pane }) => this.#rows.find(moment, dimensions, pane)),
        ...gone.map((key) => ({ key, row: null })),
      ];
      await this.#tell(told, moment, changes, unseen);
      this.#stop.signal.throwIfAborted();
    }
  }

  /** Undefined while there is nothing to serve. */
  #moment(): Moment | undefined {
    const { view, snapshots } = this.#parts;
    try {
      const snapshot = snapshots.serving(view);
      return { snapshot, reader: snapshot.reader, segments: snapshots.segments(snapshot) };
    } catch (error) {
      if (error instanceof TidemarkError && waited.has(error.code)) return undefined;
      throw error;
    }
  }

  #takeChanges({ segments }: Moment): void {
    const { view, changed } = this.#parts;
    changed.spread(view, segments);
    // What another has taken the place of may hold rows that are nowhere by now.
    const gone = this.#segments.filter((segment) => !segments.includes(segment));
    for (const segment of [...gone, ...segments]) {
      if (!gone.includes(segment) && this.#segments.includes(segment)) continue;
      for (const entry of segment.entries()) this.#touched.add(entry);
    }
    this.#segments = segments;
  }

  /** Writes those that the topic does not tell so already. Resolves once it has them. */
  async #tell(
    told: ToldChanges,
    moment: Moment,
    changes: readonly Change[],
    unseen: Set<string>,
  ): Promise<void> {
    const differing = new Map<string, Change>();
    for (const change of changes) {
      const { key, row } = change;
      unseen.delete(key);
      if (row === null ? told.has(key) : !told.tells(key, row)) differing.set(key, change);
    }
    if (differing.size === 0) return;
    const { log, topic, view, snapshots, count } = this.#parts;
    const { reader, cutText } = moment.snapshot;
    const ground = {
      ...{ view: view.name, version: view.version, fingerprint: view.fingerprint },
      ...{ generation: reader?.manifest.id ?? null, cut: cutText },
      position: formatOwn(view, snapshots.position(view)),
    };
    const written = [...differing.values()];
    await log.append(changeAppends(topic, this.#id, ground, written));
    for (const { key, row } of written) told.note(key, row);
    count(written.length);
  }

  /** Shorter once it is disposed of. */
  #pause(ms: number): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#parts.clock.after(ms, resolve);
      this.#endPause = () => {
        timer[Symbol.dispose]();
        resolve();
      };
    });
  }

  /** What is being written then is written. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new TidemarkError("TIDEMARK_NOT_READY", "this process is ending"));
    this.#wake();
    this.#endPause();
    for (const end of this.#ends) end[Symbol.dispose]();
    await this.#done;
  }
}

const waited: ReadonlySet<string> = new Set(["TIDEMARK_NOT_READY", "TIDEMARK_VIEW_BUILDING"]);

function isOf({ mappings }: View, topic: string): boolean {
  return mappings.some(({ event }) => event.name === topic);
}

function* inParts(rows: Iterable<StateRow>, length: number): Generator<readonly StateRow[]> {
  let part: StateRow[] = [];
  for (const row of rows) {
    part.push(row);
    if (part.length < length) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}

/** The first of the set, which then has them no more. */
function take<T>(from: Set<T>, most: number): T[] {
  const taken: T[] = [];
  for (const each of from) {
    if (taken.length === most) break;
    taken.push(each);
    from.delete(each);
  }
  return taken;
}
