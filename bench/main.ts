/**
 * `npm run bench -- [--kafka] [--write]`: what Tidemark costs over the bare minimum, side by side in one run, as a Markdown
 * table; `--write` puts it into the README.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Client } from "../cli/client.ts";
import { runBatch } from "../examples/demo/batch-runs.ts";
import { freePort, TidemarkProcess } from "../examples/demo/tidemark-process.ts";
import { airportHours, totalsByHour } from "../examples/flights/app.ts";
import { replay } from "../examples/flights/flights.ts";
import { latestDay, rangeOf } from "../examples/flights/side-by-side.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import { benchCompute } from "./compute.ts";
import { benchDuringBatch, benchDuringIngest, ingestedWhileAsked } from "./during.ts";
import { benchFold, benchSixMeasures } from "./fold.ts";
import { benchFreshness, freshEvents } from "./freshness.ts";
import { benchIngest, ingestedEvents } from "./ingest.ts";
import { benchKafka } from "./kafka/bench.ts";
import { benchLive } from "./live.ts";
import { benchQuery, type MergedQuery, trickledEvents } from "./query.ts";
import { atLeast, isWithin, type Row } from "./rounds.ts";
import { benchSketches } from "./sketches.ts";
import { describeMachine, formatMeasured, formatTable, writeIntoReadme } from "./table.ts";
import { benchTopRows } from "./top-rows.ts";

const flights = fileURLToPath(new URL("../examples/flights/app.ts", import.meta.url));
const tailEvents = 100_000;

async function bench(lifecycle: Lifecycle, report: (row: Row) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-bench-"));
  lifecycle.defer(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, "scratch"));
  const server = lifecycle.use(await TidemarkProcess.start(flights, join(folder, "data"), await freePort()));
  const client = lifecycle.use(new Client(server.url));
  const measure = async () => {
    report(await benchGateway(folder));
    report(await benchIngest(client, "ingest by HTTP NDJSON, durable", totalsByHour.name));
    // Archives what was ingested, so that it does not happen beside the next rows.
    await runBatch(client);
    report(await benchFold());
    report(await benchSixMeasures());
    report(await benchCompute(folder));
    for (const row of await benchSketches(folder)) report(row);
    for (const row of await benchTopRows(folder)) report(row);
    const query = await growTail(client);
    let from = ingestedEvents + tailEvents;
    const point = { ...query, parameters: { ...query.parameters, limit: "1" } };
    report(
      await benchQuery(client, query, {
        ...{ what: "merged 24-row query", mark: atLeast(0.4), aim: atLeast(0.8), from, folder },
      }),
    );
    from += trickledEvents;
    report(
      await benchQuery(client, point, {
        ...{ what: "point query", mark: atLeast(0.6), aim: atLeast(0.8), from, folder },
      }),
    );
    from += trickledEvents;
    report(await benchFreshness(client, from, query));
    from += freshEvents;
    report(await benchDuringBatch(client, query));
    report(await benchDuringIngest(client, point, from));
    report(await benchLive(client, airportHours.name, from + ingestedWhileAsked));
  };
  await Promise.race([measure(), server.failed]);
}

/** Ingest by itself: an app that computes nothing, on a server of its own that ends before the next row. */
async function benchGateway(folder: string): Promise<Row> {
  const app = fileURLToPath(new URL("./gateway-only.ts", import.meta.url));
  await using server = await TidemarkProcess.start(app, join(folder, "gateway-only"), await freePort());
  using client = new Client(server.url);
  return await benchIngest(client, "the same without views: gateway and log alone", undefined);
}

/** Ingests past the generation; gives a query of 24 rows around where it ends. */
async function growTail(client: Client): Promise<MergedQuery> {
  let first: number | undefined;
  let position = "";
  for await (const { bytes, latestTime } of replay({ from: ingestedEvents, limit: tailEvents })) {
    first ??= latestTime;
    ({ position } = await client.ingest({ body: [bytes], contentType: "application/x-ndjson" }));
  }
  const { from } = rangeOf(latestDay(first ?? 0));
  const parameters = { origin: "ORD", from, limit: "24" };
  await client.rows(airportHours.name, { ...parameters, after: position, timeout: "30s" });
  return { view: airportHours.name, parameters };
}

const { values } = parseArgs({
  options: { kafka: { type: "boolean", default: false }, write: { type: "boolean", default: false } },
});
const rows: Row[] = [];
const notes: string[] = [];
const report = (row: Row) => {
  rows.push(row);
  process.stderr.write(`${row.what}: ${formatMeasured(row)} (${row.detail})\n`);
};
const note = (text: string) => {
  notes.push(text);
  process.stderr.write(`${text}\n`);
};
const lifecycle = new Lifecycle();
try {
  await (values.kafka ? benchKafka : bench)(lifecycle, report, note);
  const text = [formatTable(rows), ...notes, `Medians of alternating rounds. ${describeMachine()}`].join(
    "\n\n",
  );
  process.stdout.write(`${text}\n`);
  if (values.write) await writeIntoReadme(values.kafka ? "bench:kafka" : "bench", text);
  if (!rows.every(({ measured, mark }) => isWithin(measured, mark))) process.exitCode = 1;
} finally {
  await lifecycle[Symbol.asyncDispose]();
}
