import { readdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { buildGeneration } from "../batch-layer/build.ts";
import { countingOnce } from "../batch-layer/count-records.ts";
import { Progress } from "../batch-layer/run-progress.ts";
import type { Source } from "../batch-layer/source.ts";
import { formatCount } from "../cli/quantity.ts";
import { airportHours, flight } from "../examples/flights/app.ts";
import { Duckdb } from "../infra/duckdb.ts";
import { GenerationsFolder } from "../infra/generations/folder.ts";
import type { GenerationReader } from "../infra/generations/generations.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import { TailSegment } from "../infra/tail/segment.ts";
import { systemClock, Turns } from "../serving-layer/clock.ts";
import { ColumnScans } from "../serving-layer/column-scan.ts";
import { readQuery } from "../serving-layer/parameters.ts";
import { planOf } from "../serving-layer/plan.ts";
import { compileRowJson } from "../serving-layer/present.ts";
import { readRows } from "../serving-layer/read-rows.ts";
import { rowRollup } from "../serving-layer/rows.ts";
import { offset } from "../views/cut.ts";
import { writeMaster } from "./compute.ts";
import { type Alternated, alternate, atMost, type Row } from "./rounds.ts";

const rounds = 31;
/** Keys of the generation that the tail has a part in. */
const touched = 5_000;

/**
 * The top 10 of a view of some 400,000 rows, from question to text, against the like SQL written by hand over the
 * generation's Parquet files: questions that were not asked before, and each of them once more.
 */
export async function benchTopRows(folder: string): Promise<readonly Row[]> {
  const temporaryFolder = join(folder, "scratch");
  const options = { memoryLimit: "1GB", threads: availableParallelism(), temporaryFolder };
  await using duckdb = await Duckdb.open(options);
  const connection = await duckdb.connect();
  const covered = (await readdir(folder)).filter((name) => /^master-\d+\.parquet$/.test(name));
  const masterFiles =
    covered.length > 0 ? covered.map((name) => join(folder, name)) : await writeMaster(connection, folder);
  await using reader = await generate(connection, join(folder, "top-rows"), {
    ...{ event: flight, covered: masterFiles, straddling: [], records: 3_000_000 },
  });
  const files = reader.statesPaths.map((path) => `'${path}'`).join(", ");
  const tail = new TailSegment(airportHours, 0, offset(0));
  // A row in eighty, from all over the view.
  let seen = 0;
  for (const row of reader.scan([], undefined, undefined)) {
    if (seen++ % Math.floor(reader.manifest.rows / touched) === 0 && tail.size < touched) tail.mergeRow(row);
  }
  await using scans = new ColumnScans(() => Duckdb.open(options));
  const timed = async (run: () => Promise<unknown>) => {
    const startedAt = performance.now();
    await run();
    return performance.now() - startedAt;
  };
  // All rows are of later hours: an answer is the same for each, but the question is another one.
  const hourBefore = (round: number) => round * 3_600_000;
  const byHand = (round: number) =>
    timed(async () => {
      const result = await connection.runAndReadAll(
        `SELECT origin, _pane, "flights.count", CAST("delay.sum" AS DOUBLE) / "delay.count" FROM read_parquet([${files}])
         WHERE _pane >= ${hourBefore(round)} ORDER BY "flights.count" DESC, origin, _pane LIMIT 10`,
      );
      return JSON.stringify(result.getRowsJson());
    });
  const ours = (round: number) =>
    timed(async () => {
      const from = new Date(hourBefore(round)).toISOString();
      const search = `orderBy=-flights&measures=flights,delay&limit=10&from=${from}`;
      const query = readQuery(airportHours, "rows", search, [flight]);
      const reading = { plan: planOf(query), path: "columns", reader, segments: [tail] } as const;
      const turns = new Turns(systemClock, () => false);
      const { page } = await readRows({ ...reading, rollup: rowRollup(airportHours), scans }, turns);
      const json = compileRowJson(query);
      return page.rows.map(({ dimensions, pane, cells }) => json(dimensions, pane, cells)).join();
    });
  const first = await ours(rounds);
  await byHand(rounds);
  const another = await alternate(rounds, ours, byHand);
  const again = await alternate(rounds, ours, byHand);
  const size = `${formatCount(reader.manifest.rows)} rows, of which the tail touches ${formatCount(touched)}`;
  const against = "SQL written by hand on the generation's Parquet";
  const detailOf = ({ ours, theirs }: Alternated) => `${ours.toFixed(1)} ms against ${theirs.toFixed(1)} ms`;
  return [
    {
      what: "top 10 of a view of 400,000 rows, another one each time",
      ...{ against, mark: atMost(2, "×"), aim: atMost(1.5, "×"), measured: another.ratio },
      detail: `${detailOf(another)}, ${size}; ${first.toFixed(0)} ms for the first of all`,
    },
    {
      what: "the same top 10 again",
      ...{ against, mark: atMost(2, "×"), aim: atMost(1.5, "×"), measured: again.ratio },
      detail: detailOf(again),
    },
    {
      what: "the same, until it is answered",
      against: "milliseconds, median",
      ...{ mark: atMost(30, " ms"), aim: atMost(20, " ms"), measured: again.ours },
      detail: `${another.ours.toFixed(1)} ms for another one each time`,
    },
  ];
}

/** A generation of the view, opened. */
async function generate(
  connection: DuckDBConnection,
  root: string,
  source: Source,
): Promise<GenerationReader> {
  await using ends = new Lifecycle();
  const generations = await GenerationsFolder.own({
    root,
    onWatchError: (error) => {
      throw error;
    },
  });
  const { draft, manifest } = await buildGeneration(
    {
      ...{ run: "bench", view: airportHours, sources: [source], connection, generations },
      ...{ cut: { [flight.name]: [offset(source.records)] }, clock: () => Date.now(), timers: globalThis },
      reason: "there is no base",
      served: async () => ({ kind: "unknown", reason: "nothing is served" }),
      countRecords: countingOnce(),
      progress: new Progress([airportHours], () => {}),
      signal: new AbortController().signal,
    },
    ends,
  );
  await draft.publish(manifest);
  return await generations.open(airportHours, manifest.id);
}
