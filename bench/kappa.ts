import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "../cli/client.ts";
import { formatCount } from "../cli/quantity.ts";
import { runBatch } from "../examples/demo/batch-runs.ts";
import { freePort, TidemarkProcess, tidemark } from "../examples/demo/tidemark-process.ts";
import flights, { totalsByHour } from "../examples/flights/app.ts";
import { ingestFlights } from "../examples/flights/ingest.ts";
import { quantile } from "./rounds.ts";

const app = fileURLToPath(new URL("../examples/flights/app.ts", import.meta.url));
const events = 500_000;
const rounds = 3;

interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly bytesRead: number;
}

/** What `tidemark replay --json` says. */
interface Replayed {
  readonly equal: boolean;
  readonly records: number;
  readonly fold: Cost;
  readonly batch: Cost;
  readonly heldAgainstSql: { readonly keys: number };
}

/**
 * What it costs to compute each view of the flights over all of the past: by the speed layer's fold alone, from the log and from
 * files, as a Kappa architecture does, and by the batch layer's SQL. As a Markdown table. Throws if they are not equal.
 */
export async function benchKappa(folder: string, report: (what: string) => void): Promise<string> {
  const data = join(folder, "kappa");
  {
    await using server = await TidemarkProcess.start(app, data, await freePort());
    using client = new Client(server.url);
    const { position } = await ingestFlights(client, events, () => undefined);
    // A run is cut at what the speed layer has folded.
    await client.rows(totalsByHour.name, { limit: "1", after: position, timeout: "30s" });
    await runBatch(client);
  }
  const lines = [
    "| view | keys | Kappa: fold of the log | fold of the files | Lambda: SQL of the files | CPU time, fold of the log against SQL |",
    "|---|---|---|---|---|---|",
  ];
  for (const { name } of flights.views) {
    const logged: Replayed[] = [];
    const archived: Replayed[] = [];
    for (let round = 0; round < rounds; round++) {
      logged.push(await replay(data, name));
      archived.push(await replay(data, name, "--archived"));
    }
    const all = [...logged, ...archived];
    if (!all.every(({ equal, records }) => equal && records === events))
      throw new Error(`the replay of ${name} is not of ${events} records, or does not equal the batch layer`);
    const [log, files, sql] = [
      medianOf(logged.map(({ fold }) => fold)),
      medianOf(archived.map(({ fold }) => fold)),
      medianOf(all.map(({ batch }) => batch)),
    ];
    const keys = formatCount(logged[0]?.heldAgainstSql.keys ?? 0);
    const ratio = `**${(log.cpuMs / sql.cpuMs).toFixed(1)}×**`;
    lines.push(
      `| \`${name}\` | ${keys} | ${describe(log)} | ${describe(files)} | ${describe(sql)} | ${ratio} |`,
    );
    report(lines.at(-1) ?? "");
  }
  return lines.join("\n");
}

async function replay(data: string, view: string, ...more: readonly string[]): Promise<Replayed> {
  const args = [tidemark, "replay", view, "--app", app, "--data", data, "--json", ...more];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Replayed;
}

function medianOf(costs: readonly Cost[]): Cost {
  const of = (read: (cost: Cost) => number) => quantile(costs.map(read), 0.5);
  return { wallMs: of((c) => c.wallMs), cpuMs: of((c) => c.cpuMs), bytesRead: of((c) => c.bytesRead) };
}

function describe({ wallMs, cpuMs, bytesRead }: Cost): string {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(2)} s`;
  return `${seconds(cpuMs)} of CPU in ${seconds(wallMs)}, ${(bytesRead / 1e6).toFixed(1)} MB`;
}
