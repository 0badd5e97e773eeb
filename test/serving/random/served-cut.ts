import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { FastifyInstance } from "fastify";
import type { Source } from "../../../batch-layer/source.ts";
import { compileSql, copyToParquet } from "../../../batch-layer/sql.ts";
import { readStateRows } from "../../../batch-layer/state-rows.ts";
import type { DimensionFiles } from "../../../infra/dimensions/dimension-file.ts";
import { Duckdb } from "../../../infra/duckdb.ts";
import { GenerationsFolder } from "../../../infra/generations/folder.ts";
import { onlyFile } from "../../../infra/generations/state-parts.ts";
import { createServer } from "../../../infra/http.ts";
import { type ArchivedRecord, RecordTable } from "../../../infra/master/record-table.ts";
import { MirroredSegment } from "../../../infra/tail/mirrored-segment.ts";
import { RowWriter } from "../../../infra/tail/row-bytes.ts";
import { TailSegment } from "../../../infra/tail/segment.ts";
import type { Segment } from "../../../infra/tail/tail.ts";
import type { Planner } from "../../../serving-layer/access-path.ts";
import { ColumnScans } from "../../../serving-layer/column-scan.ts";
import { registerServing } from "../../../serving-layer/routes.ts";
import { compileFold } from "../../../speed-layer/fold.ts";
import type { App } from "../../../views/app.ts";
import { type Cut, offset, offsetAt } from "../../../views/cut.ts";
import { Decoder } from "../../../views/decoder.ts";
import type { EventType } from "../../../views/event.ts";
import type { StateRow } from "../../../views/state.ts";
import type { View } from "../../../views/view.ts";
import { PlainJobs } from "../plain-jobs.ts";
import { PlainDeadLetters, PlainGenerations, PlainLog, PlainTail } from "../plain-stores.ts";

/** The records of each topic, every partition in its order. */
export type Records = ReadonlyMap<EventType, readonly ArchivedRecord[]>;

/** Records as the layers have them; an event's partition is told by its id, so that one sent again lies where it lay before. */
export function recordsOf(events: readonly EventType[], lines: readonly string[]): Records {
  const decoder = new Decoder(events);
  const records = new Map<EventType, ArchivedRecord[]>(events.map((event) => [event, []]));
  const nexts = new Map<string, number>();
  const seen = new Set<string>();
  for (const line of lines) {
    const event = decoder.decode(line);
    const type = events.find(({ name }) => name === event.type) as EventType;
    const partition = Number(event.id) % type.partitions;
    const place = `${event.type} ${partition}`;
    const at = nexts.get(place) ?? 0;
    nexts.set(place, at + 1);
    const isDuplicate = seen.has(event.id);
    seen.add(event.id);
    records.get(type)?.push({ partition, offset: offset(at), event, isDuplicate, rest: null });
  }
  return records;
}

/**
 * A real server whose generations were computed by DuckDB and lie on the disk, and whose tail was folded. Generations can be made
 * at one cut after the other, over the same records.
 */
export class ServedCut implements AsyncDisposable {
  readonly server: FastifyInstance;
  /** How many statements DuckDB was given for answers. */
  statements = 0;
  readonly #parts: { readonly app: App; readonly records: Records; readonly connection: DuckDBConnection };
  readonly #folder: string;
  readonly #generations: GenerationsFolder;
  readonly #tail = new PlainTail();
  readonly #serving: AsyncDisposable;
  readonly #scans: ColumnScans;
  #made = 0;

  static async open(parts: {
    readonly app: App;
    readonly files: DimensionFiles;
    readonly records: Records;
    readonly connection: DuckDBConnection;
    readonly folder: string;
    readonly planner: Planner;
  }): Promise<ServedCut> {
    const { folder } = parts;
    await mkdir(folder, { recursive: true });
    const generations = await GenerationsFolder.own({
      root: join(folder, "generations"),
      pollMs: 1,
      onWatchError: (error) => {
        throw error;
      },
    });
    return new ServedCut(parts, folder, generations);
  }

  private constructor(
    parts: Parameters<typeof ServedCut.open>[0],
    folder: string,
    generations: GenerationsFolder,
  ) {
    const { app, files, planner, records } = parts;
    this.#parts = parts;
    this.#folder = folder;
    this.#generations = generations;
    this.server = createServer({});
    const temporaryFolder = join(folder, "scans");
    this.#scans = new ColumnScans(async () =>
      this.#counting(await Duckdb.open({ memoryLimit: "256MB", threads: 1, temporaryFolder })),
    );
    const log = new PlainLog(app.views);
    for (const [event, all] of records) log.advanceTo(event.name, endsOf(event, all));
    this.#serving = registerServing(this.server, {
      scans: this.#scans,
      ...{ app, files, planner, generations, tail: this.#tail, profile: "embedded" },
      past: { fold: async ({ view, from, next }) => segmentsOf(view, records, from, next) },
      ...{ log, jobs: new PlainJobs(), deadLetters: new PlainDeadLetters() },
    });
  }

  /**
   * Serves generations of `[0, cut)` and a tail of all that follows, each partition's in two segments that meet at `middle`: the
   * first as a cluster's node has it that folds, the second as another thread has it that is told.
   */
  async serve(cut: Cut, middle: Cut): Promise<void> {
    const { app, records, connection } = this.#parts;
    const id = `g-${++this.#made}`;
    const masters = new Map<EventType, Source>();
    for (const [event, all] of records) {
      const path = join(this.#folder, `${event.name}-${this.#made}.parquet`);
      const covered = all.filter((each) => each.offset < offsetAt(cut, event.name, each.partition));
      const table = await RecordTable.create(connection, event);
      for (const record of covered) table.append(record);
      await table.writeParquet(path);
      masters.set(event, { event, covered: [path], straddling: [], records: covered.length });
    }
    for (const view of app.views) {
      await this.#publish(view, id, cut, masters);
      this.#tail.drop(view);
      this.#tail.putSegments(view, tailOf(view, records, cut, middle));
    }
    for (const { name } of app.views) await this.#generations.point(name, id);
    for (const view of app.views) await this.#untilServed(view, id);
  }

  /** Serves a tail of `[cut, next)` with the generation that serves, whose cut is `cut`. */
  foldUpTo(next: Cut, cut: Cut): void {
    const { app, records } = this.#parts;
    for (const view of app.views) {
      this.#tail.drop(view);
      this.#tail.putSegments(view, tailOf(view, records, cut, cut, next));
    }
  }

  #counting(duckdb: Duckdb): Duckdb {
    const connect = duckdb.connect.bind(duckdb);
    duckdb.connect = async () => {
      const connection = await connect();
      const stream = connection.stream.bind(connection);
      connection.stream = (...statement) => {
        this.statements++;
        return stream(...statement);
      };
      return connection;
    };
    return duckdb;
  }

  async #publish(view: View, id: string, cut: Cut, masters: ReadonlyMap<EventType, Source>): Promise<void> {
    const { connection } = this.#parts;
    const draft = await this.#generations.draft(view, id);
    const sources = view.mappings.flatMap(({ event }) => {
      const source = masters.get(event);
      return source === undefined ? [] : [source];
    });
    const { sql, parameters } = copyToParquet(compileSql(view, sources), draft.pathOf(onlyFile));
    await connection.run(sql, [...parameters]);
    const rows: StateRow[] = [];
    for await (const chunk of readStateRows(connection, view, [draft.pathOf(onlyFile)])) {
      for (const row of chunk) {
        await draft.add(row);
        rows.push(row);
      }
    }
    await draft.publish(new PlainGenerations().add(view, id, cut, rows));
  }

  async #untilServed(view: View, id: string): Promise<void> {
    for (;;) {
      const answer = await this.server.inject(`/v1/views/${view.name}`);
      const { generations = [] } = answer.json() as { generations?: { id: string; isServing: boolean }[] };
      if (generations.some((each) => each.id === id && each.isServing)) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await this.#serving[Symbol.asyncDispose]();
    await this.#scans[Symbol.asyncDispose]();
  }
}

function endsOf(event: EventType, records: readonly ArchivedRecord[]): readonly number[] {
  return Array.from(
    { length: event.partitions },
    (_, p) => records.filter(({ partition }) => partition === p).length,
  );
}

function segmentsOf(view: View, records: Records, from: Cut, next: Cut): readonly TailSegment[] {
  return view.partitions.map(({ mapping, topic, partition }, number) => {
    const range = [offsetAt(from, topic, partition), offsetAt(next, topic, partition)] as const;
    const folded = [...records]
      .filter(([event]) => event.name === topic)
      .flatMap(([, all]) => all.filter((each) => each.partition === partition))
      .slice(...range);
    const segment = new TailSegment(view, number, ...range);
    const events = folded.map(({ event, isDuplicate }) => (isDuplicate ? null : event));
    compileFold(view, mapping)(segment, events, 0, folded);
    return segment;
  });
}

function tailOf(
  view: View,
  records: Records,
  cut: Cut,
  middle: Cut,
  end = Object.fromEntries([...records].map(([event, all]) => [event.name, endsOf(event, all)])) as Cut,
): readonly Segment[] {
  return [...segmentsOf(view, records, cut, middle), ...segmentsOf(view, records, middle, end).map(mirrored)];
}

/** Told in two pieces. */
function mirrored(segment: TailSegment): MirroredSegment {
  const mirror = new MirroredSegment(segment.view, segment.partition, segment.from);
  const writer = new RowWriter();
  for (const { place, pane, dimensions, cells } of segment.entries()) {
    if (place === Math.floor(segment.size / 2) && writer.length > 0) mirror.take(writer.take());
    writer.add(place, pane, dimensions, cells);
  }
  if (writer.length > 0) mirror.take(writer.take());
  mirror.advance(segment.next);
  return mirror;
}
