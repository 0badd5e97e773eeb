import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { performRun } from "../../batch-layer/run.ts";
import { sourceOf } from "../../batch-layer/source.ts";
import { compileSql } from "../../batch-layer/sql.ts";
import { readStatement, readStateRows } from "../../batch-layer/state-rows.ts";
import type { Duckdb } from "../../infra/duckdb.ts";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import type { GenerationsWriter, Manifest } from "../../infra/generations/generations.ts";
import type { RunResult } from "../../infra/jobs/jobs.ts";
import { thoroughPolicy } from "../../infra/master/compaction-plan.ts";
import { Compactor } from "../../infra/master/compactor.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { type ArchivedRecord, RecordTable } from "../../infra/master/record-table.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import type { SealedTail } from "../../infra/tail/tail.ts";
import { compileFold, type Fold } from "../../speed-layer/fold.ts";
import { type App, defineApp } from "../../views/app.ts";
import { type Cut, offset, offsetAt } from "../../views/cut.ts";
import type { EventType } from "../../views/event.ts";
import type { Mapping } from "../../views/mapping.ts";
import { mergeSorted } from "../../views/sorted-rows.ts";
import { encodeCell, type StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";

/** Where a run is let die: with the draft written, or with generations published that no pointer names. */
export type Crash = "before publishing" | "before pointing";

export interface RunOptions {
  readonly full?: boolean;
  readonly kind?: "batch" | "check";
  readonly behind?: number;
  readonly crash?: Crash;
  /** What the speed layer says instead of the tail's rows. */
  readonly served?: (rows: readonly StateRow[]) => readonly StateRow[];
}

const signal = new AbortController().signal;
const died = "the process died here";

/** A row in a form that is equal exactly if the states are, bit for bit. */
export type Row = readonly [dimensions: StateRow["dimensions"], pane: number, ...cells: unknown[]];

/**
 * One view over a master dataset in a folder, with real generations, and a tail that was folded from the same records. Runs go on
 * from each other; what they give can be held against a computation from all records.
 */
export class Sequence {
  readonly app: App;
  readonly #view: View;
  readonly #root: string;
  readonly #duckdb: Duckdb;
  readonly #partRows: number;
  readonly #records = new Map<EventType, ArchivedRecord[][]>();
  #master: MasterFolder;
  #generations: GenerationsFolder;
  #nowMs = Date.UTC(2026, 0, 1);
  #runs = 0;

  static async open(view: View, root: string, duckdb: Duckdb, partRows: number): Promise<Sequence> {
    await mkdir(root, { recursive: true });
    const topics = view.mappings.map(({ event: { name, partitions } }) => ({ name, partitions }));
    const master = await MasterFolder.own(join(root, "master"), topics);
    return new Sequence(view, root, duckdb, partRows, master, await ownGenerations(root));
  }

  private constructor(
    view: View,
    root: string,
    duckdb: Duckdb,
    partRows: number,
    master: MasterFolder,
    generations: GenerationsFolder,
  ) {
    this.app = defineApp({ name: "sequence", views: [view], batch: { schedule: null } });
    this.#view = view;
    this.#root = root;
    this.#duckdb = duckdb;
    this.#partRows = partRows;
    this.#master = master;
    this.#generations = generations;
    for (const event of this.app.events) {
      this.#records.set(
        event,
        Array.from({ length: event.partitions }, () => []),
      );
    }
  }

  /** Another that goes on from here, in a folder of its own. */
  async copy(root: string): Promise<Sequence> {
    await cp(this.#root, root, { recursive: true });
    const copy = await Sequence.open(this.#view, root, this.#duckdb, this.#partRows);
    for (const event of this.app.events) {
      const records = this.#records.get(event) ?? [];
      copy.#records.set(
        event,
        records.map((partition) => [...partition]),
      );
    }
    copy.#nowMs = this.#nowMs;
    copy.#runs = this.#runs;
    return copy;
  }

  /** Both layers take the events in, as one file of the partition. */
  async ingest(
    type: EventType,
    partition: number,
    facts: readonly { time: number; data: Readonly<Record<string, unknown>>; isDuplicate: boolean }[],
  ): Promise<void> {
    const records = this.#records.get(type)?.[partition] ?? [];
    const from = offset(records.length);
    for (const { time, data, isDuplicate } of facts) {
      const place = offset(records.length);
      const event = { id: `${partition}-${place}`, source: "test", type: type.name, time, key: "", data };
      records.push({ partition, offset: place, event, isDuplicate, rest: null });
    }
    const connection = await this.#duckdb.connect();
    const table = await RecordTable.create(connection, type);
    for (const record of records.slice(from)) table.append(record);
    await this.#master.add({ topic: type.name, partition, from, next: offset(records.length) }, (path) =>
      table.writeParquet(path),
    );
    this.#duckdb.disconnect(connection);
  }

  /** As few files as there can be; a later one then begins before a cut and ends behind it. */
  async compact(): Promise<void> {
    const compactor = new Compactor({
      ...{ events: this.app.events, master: this.#master, duckdb: this.#duckdb, timers: globalThis },
      ...{ policy: thoroughPolicy, graceMs: 0, now: () => performance.now() },
    });
    await compactor.pass({ mostRecords: Number.POSITIVE_INFINITY, signal });
  }

  /** The cut is `behind` records before the end of each partition, where the tail goes on from. */
  async run(options: RunOptions = {}): Promise<RunResult | undefined> {
    const { full = false, kind = "batch", behind = 0, crash, served = (rows) => rows } = options;
    const end = Object.fromEntries(
      [...this.#records].map(([{ name }, partitions]) => [
        name,
        partitions.map(({ length }) => offset(Math.max(0, length - behind))),
      ]),
    );
    const parts = {
      ...{ app: this.app, master: this.#master, duckdb: this.#duckdb, timers: globalThis },
      ...{ clock: () => (this.#nowMs += 1_000), archive: () => this.#master.cut() },
      generations: dyingAt(crash, this.#generations),
      seal: { seal: async () => end },
      sealedTail: {
        rows: (view: View, from: Cut, to: Cut) => served([...(this.#tail().rows(view, from, to) ?? [])]),
      },
      partRows: this.#partRows,
    };
    const run = { id: `run-${++this.#runs}`, kind, view: null, full } as const;
    try {
      return await performRun(parts, run, () => undefined, signal);
    } catch (error) {
      if (crash === undefined || (error as Error).message !== died) throw error;
      this.#generations = await ownGenerations(this.#root);
      return undefined;
    }
  }

  /** Lets another of the generations that are kept serve. */
  async rollback(back: number): Promise<void> {
    const kept = await this.#generations.list(this.#view.name);
    const chosen = kept[back % Math.max(1, kept.length)];
    if (chosen !== undefined) await this.#generations.point(this.#view.name, chosen.id);
  }

  async current(): Promise<Manifest | undefined> {
    return this.#generations.current(this.#view);
  }

  folderOf({ id }: Manifest): string {
    return join(this.#root, "generations", this.#view.name, id);
  }

  /** What the generation has in its index and in its files, and what all records before its cut give. */
  async rows(manifest: Manifest): Promise<{ index: Row[]; files: Row[]; full: Row[]; records: number }> {
    await using reader = await this.#generations.open(this.#view, manifest.id);
    const connection = await this.#duckdb.connect();
    const sources = [];
    for (const { event } of this.#view.mappings) {
      sources.push(sourceOf(event, await this.#master.files(event.name), manifest.cut));
    }
    const statement = compileSql(this.#view, sources);
    const rows = {
      index: [...reader.scan([], undefined, undefined)].map(rowOf),
      files: await gather(readStateRows(connection, this.#view, reader.statesPaths)),
      full: await gather(readStatement(connection, this.#view, statement)),
      records: sources.reduce((sum, { records }) => sum + records, 0),
    };
    this.#duckdb.disconnect(connection);
    return rows;
  }

  #tail(): SealedTail {
    return {
      rows: (view: View, from: Cut, to: Cut) =>
        mergeSorted(
          view,
          view.partitions.map(({ mapping, topic, partition }, number) => {
            const range = [offsetAt(from, topic, partition), offsetAt(to, topic, partition)] as const;
            const records = (this.#records.get(mapping.event)?.[partition] ?? []).slice(...range);
            const segment = new TailSegment(view, number, ...range);
            const events = records.map(({ event, isDuplicate }) => (isDuplicate ? null : event));
            foldOf(view, mapping)(segment, events, 0, records);
            return segment.sortedRows();
          }),
        ),
    };
  }
}

const folds = new WeakMap<Mapping, Fold>();

function foldOf(view: View, mapping: Mapping): Fold {
  const fold = folds.get(mapping) ?? compileFold(view, mapping);
  folds.set(mapping, fold);
  return fold;
}

function ownGenerations(root: string): Promise<GenerationsFolder> {
  return GenerationsFolder.own({
    root: join(root, "generations"),
    onWatchError: (error) => {
      throw error;
    },
  });
}

function dyingAt(crash: Crash | undefined, generations: GenerationsFolder): GenerationsWriter {
  const die = async () => {
    throw new Error(died);
  };
  if (crash === undefined) return generations;
  return new Proxy(generations, {
    get(target, name) {
      if (name === "point" && crash === "before pointing") return die;
      if (name === "draft" && crash === "before publishing") {
        return async (...args: Parameters<GenerationsWriter["draft"]>) =>
          new Proxy(await target.draft(...args), {
            get: (draft, member) => {
              if (member === "publish") return die;
              const value: unknown = Reflect.get(draft, member, draft);
              return typeof value === "function" ? value.bind(draft) : value;
            },
          });
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function gather(chunks: AsyncIterable<readonly StateRow[]>): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const chunk of chunks) rows.push(...chunk.map(rowOf));
  return rows;
}

function rowOf({ dimensions, pane, cells }: StateRow): Row {
  return [[...dimensions], pane, ...cells.map((cell) => (Object.is(cell, -0) ? 0 : encodeCell(cell)))];
}
