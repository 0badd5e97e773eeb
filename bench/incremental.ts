import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { performRun } from "../batch-layer/run.ts";
import { formatSpan } from "../cli/quantity.ts";
import flights, { flight } from "../examples/flights/app.ts";
import { flightCount, flightsPath } from "../examples/flights/flights.ts";
import { Duckdb } from "../infra/duckdb.ts";
import { GenerationsFolder } from "../infra/generations/folder.ts";
import { MasterFolder } from "../infra/master/folder.ts";
import { TailSegment } from "../infra/tail/segment.ts";
import type { SealedTail } from "../infra/tail/tail.ts";
import { compileFold } from "../speed-layer/fold.ts";
import { defineApp } from "../views/app.ts";
import { type Cut, offset, offsetAt } from "../views/cut.ts";
import { mergeSorted } from "../views/sorted-rows.ts";
import type { StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";
import { atMost, quantile, type Row, settle } from "./rounds.ts";

const parts = 100;
const partRecords = flightCount / parts;
const rounds = 4;
/** After each one in full; a night's are followed by some three hundred. */
const incrementalRuns = 7;
const signal = new AbortController().signal;

interface FoldedTail extends SealedTail {
  /** Where it is sealed. */
  readonly position: Cut;
}

interface Cost {
  readonly ms: number;
  readonly cpuMs: number;
}

/**
 * The flights arrive in 100 equal parts, in order of arrival, with a run after each. The last one, made again and again from the
 * generation before it, against one that computes the same in full: from the request to the generation that serves, with the
 * records archived already and the tail folded.
 */
export async function benchIncremental(folder: string): Promise<readonly Row[]> {
  const root = join(folder, "incremental");
  const duckdb = await Duckdb.open({
    memoryLimit: "2GB",
    threads: 1,
    temporaryFolder: join(folder, "scratch"),
  });
  try {
    const connection = await duckdb.connect();
    const topics = [{ name: flight.name, partitions: flight.partitions }];
    const master = await MasterFolder.own(join(root, "master"), topics);
    const generations = await GenerationsFolder.own({
      root: join(root, "generations"),
      onWatchError: (error) => {
        throw error;
      },
    });
    const app = defineApp({
      ...flights,
      batch: { schedule: null, keep: (1 + incrementalRuns) * rounds + 1 },
    });
    let runs = 0;
    const run = async (full: boolean, tail: FoldedTail | undefined): Promise<Cost> => {
      const [startedAt, cpu] = [performance.now(), process.cpuUsage()];
      const { generations: made } = await performRun(
        {
          ...{ app, master, generations, duckdb, clock: Date.now, timers: globalThis },
          archive: () => master.cut(),
          seal: { seal: () => Promise.resolve(tail?.position) },
          sealedTail: tail ?? { rows: () => undefined },
        },
        { id: `run-${++runs}`, kind: "batch", view: null, full },
        () => undefined,
        signal,
      );
      const { user, system } = process.cpuUsage(cpu);
      const differing = made.filter((each) => (each.differing ?? 0) > 0);
      if (differing.length > 0) throw new Error(`drift in ${differing.map(({ view }) => view).join(", ")}`);
      if (runs > 1 && made.some(({ base }) => (base === null) !== full))
        throw new Error("not the way asked for");
      return { ms: performance.now() - startedAt, cpuMs: (user + system) / 1_000 };
    };
    await arrange(connection);
    for (let part = 0; part < parts - 1; part++) {
      await addPart(connection, master, part);
      await run(false, undefined);
    }
    const before = new Map<View, string>();
    for (const view of app.views) before.set(view, (await generations.current(view))?.id ?? "");
    const from = await master.cut();
    await addPart(connection, master, parts - 1);
    const tail = await foldedTail(connection, app.views, from, await master.cut());
    const costs = { incremental: [] as Cost[], full: [] as Cost[] };
    const again = async (full: boolean) => {
      for (const [view, id] of before) await generations.point(view.name, id);
      return await run(full, tail);
    };
    for (let round = 0; round < rounds; round++) {
      // Not before each run: collecting all garbage throws compiled code away, which runs that follow each other share.
      settle();
      costs.full.push(await again(true));
      settle();
      for (let i = 0; i < incrementalRuns; i++) costs.incremental.push(await again(false));
    }
    const median = (way: keyof typeof costs, of: keyof Cost) =>
      quantile(
        costs[way].map((cost) => cost[of]),
        0.5,
      );
    const row = (of: keyof Cost, what: string): Row => {
      const [ours, theirs] = [median("incremental", of), median("full", of)];
      return {
        what: `the last of 100 incremental runs, ${what}`,
        against: "the same run in full",
        ...{ mark: atMost(0.05, "×"), aim: atMost(0.03, "×"), measured: ours / theirs },
        detail: `${formatSpan(ours)} against ${formatSpan(theirs)}, ${partRecords.toLocaleString("en")} new records of ${flightCount.toLocaleString("en")}, ${app.views.length} views`,
      };
    };
    return [row("ms", "time"), row("cpuMs", "CPU")];
  } finally {
    await duckdb[Symbol.asyncDispose]();
  }
}

/** The flights in order of arrival, each with its part, its partition and its offset there. */
async function arrange(connection: DuckDBConnection): Promise<void> {
  await connection.run(`CREATE TEMP TABLE arrived AS
    SELECT *, row_number() OVER (PARTITION BY _partition ORDER BY n) - 1 AS _offset FROM (
      SELECT *, row_number() OVER (ORDER BY date + to_minutes(greatest(delay, 0)), file_row_number) - 1 AS n,
        (hash(origin) % ${flight.partitions})::INTEGER AS _partition
      FROM read_parquet('${flightsPath}', file_row_number = true)
    ) ORDER BY n`);
}

async function addPart(connection: DuckDBConnection, master: MasterFolder, part: number): Promise<void> {
  const [first, next] = [part * partRecords, (part + 1) * partRecords];
  for (let partition = 0; partition < flight.partitions; partition++) {
    const where = `_partition = ${partition} AND n >= ${first} AND n < ${next}`;
    const counted = await connection.runAndReadAll(`SELECT count(*) FROM arrived WHERE ${where}`);
    const records = Number(counted.getRows()[0]?.[0] ?? 0);
    if (records === 0) continue;
    const from = offsetAt(await master.cut(), flight.name, partition);
    const file = { topic: flight.name, partition, from, next: offset(from + records) };
    await master.add(file, async (path) => {
      await connection.run(
        `COPY (SELECT _partition, _offset, n::VARCHAR AS _event_id, '/flights' AS _event_source,
          date::TIMESTAMP_MS AS _event_time, false AS _duplicate, NULL::VARCHAR AS _rest,
          origin, destination, delay::BIGINT AS delay, distance::BIGINT AS distance
        FROM arrived WHERE ${where} ORDER BY _offset) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`,
      );
    });
  }
}

/** What the speed layer holds of the last part. */
async function foldedTail(
  connection: DuckDBConnection,
  views: readonly View[],
  from: Cut,
  to: Cut,
): Promise<FoldedTail> {
  const read = await connection.runAndReadAll(
    `SELECT _partition, CAST(epoch_ms(date) AS DOUBLE), origin, destination, CAST(delay AS DOUBLE), CAST(distance AS DOUBLE)
     FROM arrived WHERE n >= ${(parts - 1) * partRecords} ORDER BY n`,
  );
  const events = Array.from(
    { length: flight.partitions },
    () => [] as Parameters<ReturnType<typeof compileFold>>[1][number][],
  );
  for (const [partition, time, origin, destination, delay, distance] of read.getRows()) {
    events[Number(partition)]?.push({ time: Number(time), data: { origin, destination, delay, distance } });
  }
  const rows = new Map<View, readonly StateRow[]>();
  for (const view of views) {
    const segments = events.map((folded, partition) => {
      const [first, next] = [from, to].map((cut) => offsetAt(cut, flight.name, partition));
      const segment = new TailSegment(view, partition, first ?? offset(0), next);
      compileFold(view)(segment, folded, 0);
      return segment.sortedRows();
    });
    rows.set(view, [...mergeSorted(view, segments)]);
  }
  return { position: to, rows: (view) => rows.get(view) };
}
