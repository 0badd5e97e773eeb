import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "../cli/client.ts";
import { runBatch } from "../examples/demo/batch-runs.ts";
import { freePort, TidemarkProcess } from "../examples/demo/tidemark-process.ts";
import { airportHours, totalsByHour } from "../examples/flights/app.ts";
import { replay } from "../examples/flights/flights.ts";
import { latestDay, rangeOf } from "../examples/flights/side-by-side.ts";
import { benchDuringBatch, benchDuringIngest, ingestedWhileAsked } from "./during.ts";
import { benchFreshness, freshEvents } from "./freshness.ts";
import { benchIngest, ingestedEvents } from "./ingest.ts";
import { benchLive } from "./live.ts";
import { benchQuery, type MergedQuery, trickledEvents } from "./query.ts";
import { atLeast, type Row } from "./rounds.ts";

const flights = fileURLToPath(new URL("../examples/flights/app.ts", import.meta.url));
const tailEvents = 100_000;

/** Ingest by itself: an app that computes nothing, on a server of its own. */
export async function benchGateway(folder: string): Promise<Row> {
  const app = fileURLToPath(new URL("./gateway-only.ts", import.meta.url));
  await using server = await TidemarkProcess.start(app, join(folder, "gateway-only"), await freePort());
  using client = new Client(server.url);
  return await benchIngest(client, "the same without views: gateway and log alone", undefined);
}

/** What one server is asked for, one after the other. */
export const serverParts: readonly string[] = [
  ...["ingest", "query", "point", "freshness", "during-batch", "during-ingest", "live"],
];

/** The wanted ones of them; events are taken for each, wanted or not, and those of the first before all others. */
export async function benchServer(
  folder: string,
  isWanted: (part: string) => boolean,
  report: (row: Row) => void,
): Promise<void> {
  await using server = await TidemarkProcess.start(flights, join(folder, "data"), await freePort());
  using client = new Client(server.url);
  const measure = async () => {
    const ingest = await benchIngest(client, "ingest by HTTP NDJSON, durable", totalsByHour.name);
    if (isWanted("ingest")) report(ingest);
    // Archives what was ingested, so that it does not happen beside the next rows.
    await runBatch(client);
    const query = await growTail(client);
    const point = { ...query, parameters: { ...query.parameters, limit: "1" } };
    let from = ingestedEvents + tailEvents;
    const part = async (name: string, events: number, bench: (from: number) => Promise<Row>) => {
      if (isWanted(name)) report(await bench(from));
      from += events;
    };
    await part("query", trickledEvents, (from) =>
      benchQuery(client, query, {
        ...{ what: "merged 24-row query", mark: atLeast(0.4), aim: atLeast(0.8), from, folder },
      }),
    );
    await part("point", trickledEvents, (from) =>
      benchQuery(client, point, {
        ...{ what: "point query", mark: atLeast(0.6), aim: atLeast(0.8), from, folder },
      }),
    );
    await part("freshness", freshEvents, (from) => benchFreshness(client, from, query));
    await part("during-batch", 0, () => benchDuringBatch(client, query));
    await part("during-ingest", ingestedWhileAsked, (from) => benchDuringIngest(client, point, from));
    await part("live", 0, (from) => benchLive(client, airportHours.name, from));
  };
  await Promise.race([measure(), server.failed]);
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
