import type { Client } from "../cli/client.ts";
import { formatCount } from "../cli/quantity.ts";
import { type Lines, loadLines } from "./lines.ts";
import type { MergedQuery } from "./query.ts";
import { atMost, quantile, type Row } from "./rounds.ts";

const seconds = 10;
const requestsPerSecond = 100;
/** Every so many requests, someone waits for their events in a merged answer. */
const probeEvery = 4;

/** Who takes events, who answers, and with what. */
export interface Probed {
  readonly gateway: Client;
  readonly client: Client;
  readonly query: Omit<MergedQuery, "parameters"> & { readonly parameters: Readonly<Record<string, string>> };
}

const freshRate = 20_000;
/** How many events `benchFreshness` takes from the replay. */
export const freshEvents = seconds * freshRate;

/** From the acknowledgement of an event until a merged answer that holds it has arrived, at 20,000 events/s. */
export async function benchFreshness(client: Client, from: number, query: MergedQuery): Promise<Row> {
  const { p99, detail } = await probeFreshness({ gateway: client, client, query }, from, freshRate);
  return {
    what: "freshness: acknowledged → visible in a merged answer, 20,000 events/s",
    against: "milliseconds, p99",
    mark: atMost(100, " ms"),
    aim: atMost(20, " ms"),
    measured: p99,
    detail,
  };
}

/** Sends flights of the replay for ten seconds, at a rate that does not depend on the answers. */
export async function probeFreshness(
  { gateway, client, query }: Probed,
  from: number,
  eventsPerSecond: number,
) {
  const eventsPerRequest = eventsPerSecond / requestsPerSecond;
  const requests = seconds * requestsPerSecond;
  const bodies = inRequests(await loadLines(from, requests * eventsPerRequest), eventsPerRequest);
  const waits: number[] = [];
  const pending: Promise<void>[] = [];
  const startedAt = performance.now();
  const send = async (body: Buffer, isProbe: boolean) => {
    const { position } = await gateway.ingest({ body: [body], contentType: "application/x-ndjson" });
    if (!isProbe) return;
    const acknowledgedAt = performance.now();
    await client.rows(query.view, { ...query.parameters, after: position, timeout: "30s" });
    waits.push(performance.now() - acknowledgedAt);
  };
  for (const [i, body] of bodies.entries()) {
    const dueAt = startedAt + (i * 1000) / requestsPerSecond;
    while (performance.now() < dueAt) await new Promise((resolve) => setTimeout(resolve, 1));
    const sent = send(body, i % probeEvery === 0);
    // It is heard of when all are waited for.
    sent.catch(() => {});
    pending.push(sent);
  }
  await Promise.all(pending);
  const rate = (requests * eventsPerRequest * 1000) / (performance.now() - startedAt);
  const p50 = quantile(waits, 0.5).toFixed(1);
  return {
    p99: quantile(waits, 0.99),
    detail: `p50 ${p50} ms over ${waits.length} probes at ${formatCount(Math.round(rate))} events/s, the query itself included`,
  };
}

function inRequests({ pieces }: Lines, eventsPerRequest: number): Buffer[] {
  const bytes = Buffer.concat(pieces);
  const bodies: Buffer[] = [];
  let from = 0;
  let lines = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) {
    if (++lines % eventsPerRequest !== 0) continue;
    bodies.push(bytes.subarray(from, at + 1));
    from = at + 1;
  }
  return bodies;
}
