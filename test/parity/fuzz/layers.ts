import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { mostGathered } from "../../../batch-layer/by-code.ts";
import { type Source, sourceOf } from "../../../batch-layer/source.ts";
import { compileSql, copyToParquet } from "../../../batch-layer/sql.ts";
import { type BatchRow, readStateRows } from "../../../batch-layer/state-rows.ts";
import { Duckdb } from "../../../infra/duckdb.ts";
import { archivedEvents } from "../../../infra/master/archived-events.ts";
import { earlyValues } from "../../../infra/master/early-values.ts";
import { TailSegment } from "../../../infra/tail/segment.ts";
import { Archiver } from "../../../ingestion/archive.ts";
import { Admission } from "../../../speed-layer/admission.ts";
import { compileFold } from "../../../speed-layer/fold.ts";
import { replayView } from "../../../speed-layer/replay.ts";
import { defineApp } from "../../../views/app.ts";
import { type Cut, type Offset, offset } from "../../../views/cut.ts";
import type { EventType } from "../../../views/event.ts";
import type { View } from "../../../views/view.ts";

import { type Case, cutOf, type SourceCase, sourcesOf } from "./case.ts";
import { typeOf } from "./declare.ts";
import { eventType } from "./fields.ts";

import { CaseLog, CaseMaster } from "./stores.ts";

/** What the layers make of a case. */
export interface Computed {
  /** The batch layer's states of the prefix. */
  readonly batch: readonly BatchRow[];
  /** By partition of the view, the speed layer's states of the same prefix, of what follows it, and of everything. */
  readonly prefix: readonly TailSegment[];
  readonly suffix: readonly TailSegment[];
  readonly whole: readonly TailSegment[];
  /**
   * Of the prefix once more, as a replay folds it: the first half of each partition from files, the rest from the log. Only
   * of a case in which the archiver changes, since its files take long to read.
   */
  readonly replayed: readonly TailSegment[] | undefined;
}

type Folded = Pick<Computed, "prefix" | "suffix" | "whole">;

interface Archive {
  readonly log: CaseLog;
  readonly master: CaseMaster;
  readonly archiver: Archiver;
  /** One that has seen nothing. */
  newArchiver(type: EventType): Archiver;
}

/** Both layers over one DuckDB, for case after case: decoder, archiver, Parquet and SQL here, admission and fold there. */
export class Layers implements AsyncDisposable {
  readonly #folder: string;
  readonly #duckdb: Duckdb;
  readonly #connection: DuckDBConnection;
  readonly #reader: DuckDBConnection;
  readonly #archives = new Map<string, Archive>();

  private constructor(
    folder: string,
    duckdb: Duckdb,
    [connection, reader]: readonly [DuckDBConnection, DuckDBConnection],
  ) {
    this.#folder = folder;
    this.#duckdb = duckdb;
    this.#connection = connection;
    this.#reader = reader;
  }

  static async open(): Promise<Layers> {
    const folder = await mkdtemp(join(tmpdir(), "tidemark-fuzz-"));
    const duckdb = await Duckdb.open({
      memoryLimit: "512MB",
      threads: 1,
      temporaryFolder: join(folder, "spill"),
    });
    return new Layers(folder, duckdb, [await duckdb.connect(), await duckdb.connect()]);
  }

  async compute(c: Case, view: View): Promise<Computed> {
    const sources: Source[] = [];
    const segments: Folded[] = [];
    const archives = new Map<string, Archive>();
    const cut: Record<string, readonly Offset[]> = {};
    for (const of of sourcesOf(c)) {
      const { name } = typeOf(c, of.place);
      const { event: type } = view.mappings.find(({ event }) => event.name === name) ?? {};
      if (type === undefined) throw new Error(`the view is not of the ${of.place} source`);
      const archive = await this.#archive(c, of, type);
      const { log, master } = archive;
      archives.set(type.name, archive);
      cut[type.name] = cutsOf(of, type);
      const files = await master.files();
      const connections = { connection: this.#connection, reader: this.#reader };
      const early = await earlyValues(connections, type, files);
      const source = sourceOf(type, files, cut);
      sources.push({ ...source, records: c.isMany === true ? mostGathered + 1 : source.records, early });
      segments.push(await speed(of, view, log));
    }
    const replayed = c.archiverChanges ? await this.#replay(view, cut, archives) : undefined;
    return { ...joined(segments), replayed, batch: await this.#batch(view, sources) };
  }

  async #replay(
    view: View,
    cut: Cut,
    archives: ReadonlyMap<string, Archive>,
  ): Promise<readonly TailSegment[]> {
    const archiveOf = (topic: string) => {
      const archive = archives.get(topic);
      if (archive === undefined) throw new Error(`nothing is archived of ${topic}`);
      return archive;
    };
    const { segments } = await replayView({
      ...{ view, from: {}, next: cut, archived: "let-go", maxEntries: Number.POSITIVE_INFINITY },
      log: {
        starts: async (topic) => (cut[topic] ?? []).map((next) => offset(Math.ceil(next / 2))),
        read: (topic, ...range) => archiveOf(topic).log.read(topic, ...range),
      },
      archivedEvents: (type, ...range) =>
        archivedEvents(this.#connection, archiveOf(type.name).master, type, ...range),
      signal: new AbortController().signal,
      progress: () => undefined,
    });
    return segments;
  }

  async #archive(c: Case, of: SourceCase, type: EventType): Promise<Archive> {
    const archive = this.#archiveOf(c, of, type);
    const { log, master, archiver, newArchiver } = archive;
    log.hold(of);
    master.clear();
    const nexts = await log.nexts();
    for (const [i, { archived }] of of.former.entries()) {
      log.endAt(nexts.map((next, p) => offset(Math.min(next, archived[p] ?? 0))));
      // Nothing may have come since the one before.
      const due = await master.cut();
      const end = (await log.nexts()).map((next, p) => offset(Math.max(next, due[type.name]?.[p] ?? 0)));
      log.endAt(end);
      const former = newArchiver(typeOf(c, of.place, i));
      await former.archive(await former.logEnd());
      log.endAt(nexts);
    }
    if (c.archiverChanges) {
      const done = (await master.cut())[type.name] ?? [];
      log.endAt(cutsOf(of, type).map((cut, p) => offset(Math.max(Math.ceil(cut / 2), done[p] ?? 0))));
      await archiver.archive(await archiver.logEnd());
      log.endAt(nexts);
    }
    await (c.archiverChanges ? newArchiver(type) : archiver).archive({ [type.name]: nexts });
    return archive;
  }

  async #batch(view: View, sources: readonly Source[]): Promise<BatchRow[]> {
    const path = join(this.#folder, "states.parquet");
    const statement = copyToParquet(compileSql(view, sources), path);
    await this.#connection.run(statement.sql, [...statement.parameters]);
    const rows: BatchRow[] = [];
    for await (const chunk of readStateRows(this.#connection, view, [path])) rows.push(...chunk);
    return rows;
  }

  /** An archiver keeps its connections, so that one serves all cases of its settings; each begins at offset 0 anew. */
  #archiveOf({ duplicatesWithin, recordsPerFile }: Case, of: SourceCase, type: EventType): Archive {
    const key = `${of.place} ${duplicatesWithin} ${recordsPerFile}`;
    let archive = this.#archives.get(key);
    if (archive === undefined) {
      const present = eventType(duplicatesWithin, of.place);
      const log = new CaseLog(present);
      const master = new CaseMaster(this.#folder, present);
      const parts = { log, master, duckdb: this.#duckdb, recordsPerFile, onInvalid: () => {} };
      const newArchiver = (event: EventType) =>
        new Archiver({ ...parts, app: defineApp({ name: "fuzz", views: [], events: [event] }) });
      archive = { log, master, archiver: newArchiver(present), newArchiver };
      this.#archives.set(key, archive);
    }
    // What it knows of former schemas is of one case.
    return of.former.length === 0 ? archive : { ...archive, archiver: archive.newArchiver(type) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#duckdb[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function cutsOf(of: SourceCase, { partitions }: EventType): readonly Offset[] {
  return Array.from({ length: partitions }, (_, p) => offset(cutOf(of, p)));
}

function joined(each: readonly Folded[]): Folded {
  return {
    prefix: each.flatMap(({ prefix }) => prefix),
    suffix: each.flatMap(({ suffix }) => suffix),
    whole: each.flatMap(({ whole }) => whole),
  };
}

async function speed(of: SourceCase, view: View, log: CaseLog): Promise<Folded> {
  const topic = log.topics[0]?.name;
  const computed = { prefix: [] as TailSegment[], suffix: [] as TailSegment[], whole: [] as TailSegment[] };
  for (const [number, { mapping, partition: p, ...place }] of view.partitions.entries()) {
    if (place.topic !== topic) continue;
    const fold = compileFold(view, mapping);
    const records = log.records(p);
    const [cut, next] = [offset(cutOf(of, p)), offset(records.length)];
    const [before, after] = [records.slice(0, cut), records.slice(cut)];
    const prefix = new TailSegment(view, number, offset(0), cut);
    const suffix = new TailSegment(view, number, cut, next);
    const whole = new TailSegment(view, number, offset(0), next);
    const throughout = new Admission(mapping.event, p);
    const first = throughout.admit(before, cut);
    fold(prefix, first, 0, before);
    fold(whole, first, 0, before);
    fold(whole, throughout.admit(after, next), 0, after);
    // As a worker that begins at the cut.
    const fromCut = new Admission(mapping.event, p);
    await fromCut.warmUp({ log }, cut);
    fold(suffix, fromCut.admit(after, next), 0, after);
    computed.prefix.push(prefix);
    computed.suffix.push(suffix);
    computed.whole.push(whole);
  }
  return computed;
}
