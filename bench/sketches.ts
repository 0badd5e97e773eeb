import { join } from "node:path";
import { compileSql, copyToParquet } from "../batch-layer/sql.ts";
import { runStatement } from "../batch-layer/statement.ts";
import { formatSpan } from "../cli/quantity.ts";
import { flight } from "../examples/flights/app.ts";
import { Duckdb } from "../infra/duckdb.ts";
import { count, countDistinct, defineView, quantile, tumbling } from "../views/index.ts";
import type { View } from "../views/view.ts";
import { writeMaster } from "./compute.ts";
import { alternate, atMost, type Bound, type Row } from "./rounds.ts";

const rounds = 3;
const quiet = new AbortController().signal;

/**
 * A view of sketches by airport and hour, 555,000 groups, or day, 40,000, and the engine's own aggregates that come
 * nearest to it.
 */
interface Sketches {
  readonly what: string;
  readonly per: "hour" | "day";
  readonly against: string;
  readonly view: View;
  readonly byHand: string;
  readonly mark: Bound;
  readonly aim: Bound;
}

const oneQuantile = (["hour", "day"] as const).map(
  (per): Sketches => ({
    what: `one quantile in batch, by ${per}`,
    per,
    against: "one quantile_cont",
    view: defineView({
      name: `delay-by-${per}`,
      from: flight,
      by: (f) => ({ origin: f.origin, pane: tumbling(per === "hour" ? "1h" : "1d") }),
      measures: (f) => ({ p50: quantile(f.delay, 0.5) }),
    }),
    byHand: "quantile_cont(delay, 0.5)",
    mark: atMost(2, "×"),
    aim: atMost(1.7, "×"),
  }),
);

const sketches: readonly Sketches[] = [
  {
    what: "countDistinct (HyperLogLog) in batch",
    per: "hour",
    against: "DuckDB's approx_count_distinct, whose states can't be merged",
    view: defineView({
      name: "destinations",
      from: flight,
      by: (f) => ({ origin: f.origin, hour: tumbling("1h") }),
      measures: (f) => ({ destinations: countDistinct(f.destination) }),
    }),
    byHand: "approx_count_distinct(destination)",
    mark: atMost(3, "×"),
    aim: atMost(2, "×"),
  },
  ...oneQuantile,
  {
    what: "quantile sketch in batch",
    per: "hour",
    against: "DuckDB's quantile_cont, whose states can't be merged",
    view: defineView({
      name: "delays",
      from: flight,
      by: (f) => ({ origin: f.origin, hour: tumbling("1h") }),
      measures: (f) => ({
        flights: count(),
        p50: quantile(f.delay, 0.5),
        p90: quantile(f.delay, 0.9),
        p99: quantile(f.delay, 0.99),
      }),
    }),
    byHand: "count(*), quantile_cont(delay, 0.5), quantile_cont(delay, 0.9), quantile_cont(delay, 0.99)",
    mark: atMost(2, "×"),
    aim: atMost(1.5, "×"),
  },
];

/** States of sketches of three million flights, against values that DuckDB computes of the same groups. */
export async function benchSketches(folder: string): Promise<readonly Row[]> {
  const duckdb = await Duckdb.open({
    memoryLimit: "2GB",
    threads: 1,
    temporaryFolder: join(folder, "scratch"),
  });
  try {
    const connection = await duckdb.connect();
    const files = await writeMaster(connection, folder);
    const source = { event: flight, covered: files, straddling: [], records: 3_000_000 };
    const rows: Row[] = [];
    for (const { what, per, against, view, byHand, mark, aim } of sketches) {
      const timed = async (run: () => Promise<unknown>) => {
        const startedAt = performance.now();
        await run();
        return performance.now() - startedAt;
      };
      const path = join(folder, `${view.name}.parquet`);
      const statement = copyToParquet(compileSql(view, [source]), path);
      const theirSql = grouped(byHand, per, files, join(folder, `${view.name}-by-hand.parquet`));
      const ours = () => timed(() => runStatement(connection, statement, quiet, globalThis));
      const theirs = () => timed(() => connection.run(theirSql));
      await ours();
      await theirs();
      const alternated = await alternate(rounds, ours, theirs);
      const spans = `${formatSpan(alternated.ours)} against ${formatSpan(alternated.theirs)}`;
      const detail = `${spans} over 3,000,000 records, by airport and ${per}`;
      rows.push({ what, against, mark, aim, measured: alternated.ratio, detail });
    }
    return rows;
  } finally {
    await duckdb[Symbol.asyncDispose]();
  }
}

function grouped(aggregates: string, per: string, files: readonly string[], path: string): string {
  return `COPY (
    SELECT origin, epoch_ms(date_trunc('${per}', _event_time)) AS _pane, ${aggregates}
    FROM read_parquet([${files.map((file) => `'${file}'`).join(", ")}])
    WHERE NOT _duplicate
    GROUP BY ALL
    ORDER BY origin, _pane
  ) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`;
}
