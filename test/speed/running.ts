import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Generations, Manifest } from "../../infra/generations/generations.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import type { Log } from "../../infra/log/log.ts";
import type { ArchivedIds } from "../../infra/master/archived-ids.ts";
import { TailCheckpoint } from "../../infra/tail/checkpoint.ts";
import { MirroredTail } from "../../infra/tail/mirrored-tail.ts";
import { SealedTailReader } from "../../infra/tail/sealed-tail.ts";
import type { Segment, Tail } from "../../infra/tail/tail.ts";
import type { SpeedLayer } from "../../speed-layer/main.ts";
import { startSpeedLayer } from "../../speed-layer/main.ts";
import { TailTeller } from "../../speed-layer/tail-teller.ts";
import type { App } from "../../views/app.ts";
import { type Cut, type Offset, offset } from "../../views/cut.ts";
import type { TidemarkError } from "../../views/errors.ts";
import { isFolded } from "../../views/layers.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import { mergeState, type View } from "../../views/view.ts";
import { appendOf, type Rows, type Visit, visit, visits } from "./visits.ts";

/** The pointers of generations of which a test needs nothing but their cuts. */
export class Pointers implements Pick<Generations, "current" | "watch"> {
  readonly #cuts = new Map<View, Cut>();
  readonly #watchers = new Set<(view: View, current: Manifest | undefined) => void>();

  async current(view: View): Promise<Manifest | undefined> {
    return this.#manifest(view);
  }

  watch(views: readonly View[], changed: (view: View, current: Manifest | undefined) => void): Disposable {
    const watcher = (view: View, current: Manifest | undefined) => {
      if (views.includes(view)) changed(view, current);
    };
    this.#watchers.add(watcher);
    for (const view of views) changed(view, this.#manifest(view));
    return { [Symbol.dispose]: () => void this.#watchers.delete(watcher) };
  }

  point(view: View, cut: Cut): void {
    this.#cuts.set(view, cut);
    for (const changed of this.#watchers) changed(view, this.#manifest(view));
  }

  #manifest(view: View): Manifest | undefined {
    const cut = this.#cuts.get(view);
    if (cut === undefined) return undefined;
    return {
      id: JSON.stringify(cut),
      view: view.name,
      fingerprint: view.fingerprint,
      cut,
      run: "test",
      createdAt: "2001-01-01T00:00:00Z",
      rows: 0,
      records: 0,
      panes: null,
      computeMs: 0,
      reconciliation: { kind: "not-compared", reason: "test" },
    };
  }
}

export interface RunningOptions {
  readonly app?: App;
  readonly entries?: number;
  /** Default: the folder's own. */
  readonly checkpointPath?: string;
  /** What the log has let go of. */
  readonly archivedIds?: ArchivedIds;
  /** The tail is read as another thread has it that is told of it. */
  readonly isMirrored?: boolean;
}

/** A speed layer over a real log and a real checkpoint in a folder of its own, that can be stopped and started. */
export class Running {
  readonly pointers = new Pointers();
  /** What was appended, by partition. */
  readonly appended: Visit[][] = [[], []];
  readonly unaligned: TidemarkError[] = [];
  timesNearBound = 0;
  readonly #folder: string;
  readonly #log: LmdbLog;
  #checkpoint: TailCheckpoint | undefined;
  #speed: SpeedLayer | undefined;
  #mirror: { readonly tail: MirroredTail; readonly teller: TailTeller } | undefined;
  #options: RunningOptions;

  private constructor(folder: string, log: LmdbLog, options: RunningOptions) {
    this.#folder = folder;
    this.#log = log;
    this.#options = options;
  }

  static async start(options: RunningOptions = {}): Promise<Running> {
    const folder = await mkdtemp(join(tmpdir(), "tidemark-speed-"));
    const log = await LmdbLog.open({
      path: join(folder, "log"),
      topics: [{ name: visit.name, partitions: visit.partitions }],
      mode: "writer",
    });
    const running = new Running(folder, log, options);
    await running.startSpeed();
    return running;
  }

  async startSpeed(options: RunningOptions = this.#options): Promise<void> {
    this.#options = options;
    const { app = visits, entries = 1_000_000, checkpointPath = this.checkpointPath, archivedIds } = options;
    this.#checkpoint = await TailCheckpoint.open({ path: checkpointPath, app });
    this.#speed = await startSpeedLayer({
      app,
      log: this.#log,
      archivedIds,
      checkpoint: this.#checkpoint,
      generations: this.pointers,
      timers: { setTimeout, clearTimeout },
      now: () => performance.now(),
      limits: { entries },
      onTailNearBound: () => {
        this.timesNearBound++;
      },
      onUnaligned: (_view, error) => this.unaligned.push(error),
    });
    if (options.isMirrored === true) await this.#startMirror(app, this.#speed);
  }

  async #startMirror(app: App, speed: SpeedLayer): Promise<void> {
    const views = app.views.filter(isFolded);
    const tail = new MirroredTail({ views, release: (view, cut) => speed.tail.release(view, cut) });
    const teller = new TailTeller({
      ...{ tail: speed.tail, views, isBehind: () => speed.isBehind },
      tell: (telling) => tail.apply(structuredClone(telling)),
    });
    this.#mirror = { tail, teller };
    await teller.told();
  }

  async stopSpeed(): Promise<void> {
    await this.#mirror?.teller[Symbol.asyncDispose]();
    this.#mirror = undefined;
    await this.#speed?.[Symbol.asyncDispose]();
    await this.#checkpoint?.[Symbol.asyncDispose]();
    this.#speed = undefined;
    this.#checkpoint = undefined;
  }

  /** Copies the checkpoint as it stands now; the speed layer must be stopped. */
  async keepCheckpoint(): Promise<void> {
    await rm(`${this.checkpointPath}-kept`, { recursive: true, force: true });
    await cp(this.checkpointPath, `${this.checkpointPath}-kept`, { recursive: true });
  }

  /** Puts the copy in the checkpoint's place, as if nothing had been written since. */
  async returnToKeptCheckpoint(): Promise<void> {
    await rm(this.checkpointPath, { recursive: true });
    await cp(`${this.checkpointPath}-kept`, this.checkpointPath, { recursive: true });
  }

  get checkpointPath(): string {
    return join(this.#folder, "checkpoint");
  }

  get speed(): SpeedLayer {
    if (this.#speed === undefined) throw new Error("the speed layer is stopped");
    return this.#speed;
  }

  get log(): Log {
    return this.#log;
  }

  get tail(): Tail {
    return this.#mirror?.tail ?? this.speed.tail;
  }

  sealedTail(app: App = visits): SealedTailReader {
    return new SealedTailReader({ path: this.checkpointPath, app });
  }

  async append(partition: number, made: readonly Visit[]): Promise<void> {
    this.appended[partition]?.push(...made);
    if (made.length > 0) await this.#log.append(made.map((each) => appendOf(each, partition)));
  }

  async trim(partition: number, before: number): Promise<void> {
    await this.#log.trim(visit.name, partition, offset(before));
  }

  /** Where the log ends, by partition. */
  get nexts(): readonly number[] {
    return this.appended.map((records) => records.length);
  }

  /** Resolves once the condition holds; looks whenever the tail has advanced. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await Promise.race([
        new Promise<void>((resolve) => {
          const advance = this.tail.onAdvance(() => {
            advance[Symbol.dispose]();
            resolve();
          });
        }),
        this.speed.done,
        ...(this.#mirror === undefined ? [] : [this.#mirror.teller.done]),
      ]);
    }
  }

  async caughtUp(views: readonly View[] = visits.views): Promise<void> {
    const { nexts } = this;
    await this.until(() =>
      views.every((view) =>
        nexts.every((next, p) => (this.tail.position(view)[visit.name]?.[p] ?? 0) >= next),
      ),
    );
  }

  async end(): Promise<void> {
    await this.stopSpeed();
    await this.#log[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true });
  }
}

const cuts = new WeakMap<readonly number[], Cut>();

/** Of the same array the same cut, as a generation's is. */
export function cutAt(nexts: readonly number[]): Cut {
  const cut = cuts.get(nexts) ?? { [visit.name]: nexts as readonly Offset[] };
  cuts.set(nexts, cut);
  return cut;
}

export function nextsOf(cut: Cut): readonly number[] {
  return cut[visit.name] ?? [0, 0];
}

/** The merge of segments, by key. */
export function mergedRows(view: View, segments: readonly Segment[]): Rows {
  return rowsByKey(
    view,
    segments.flatMap((segment) => [...segment.entries()]),
  );
}

export function rowsByKey(view: View, rows: Iterable<StateRow>): Rows {
  const merged: Record<string, Cell[]> = {};
  for (const { dimensions, pane, cells } of rows) {
    const key = JSON.stringify([dimensions, pane]);
    const state = merged[key];
    if (state === undefined) merged[key] = [...cells];
    else mergeState(view, state, cells);
  }
  return merged;
}
