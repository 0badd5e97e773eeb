import type { Client } from "../cli/client.ts";
import { formatCount } from "../cli/quantity.ts";
import { loadLines } from "./lines.ts";
import { alternate, atLeast, type Row, settle } from "./rounds.ts";

const rounds = 3;
const eventsPerRound = 150_000;
const subscribers = 200;

/** Ingest while 200 clients follow live queries of ten kinds, against the same while nobody does. `from`: the first event that is new. */
export async function benchLive(client: Client, view: string, from: number): Promise<Row> {
  let next = from;
  const ingest = async () => {
    const { pieces, events } = await loadLines(next, eventsPerRound);
    next += eventsPerRound;
    settle();
    const startedAt = performance.now();
    const { position } = await client.ingest({ body: pieces, contentType: "application/x-ndjson" });
    const seconds = (performance.now() - startedAt) / 1000;
    await client.rows(view, { groupBy: "", measures: "flights", after: position, timeout: "30s" });
    return events / seconds;
  };
  const followed = async () => {
    const stop = new AbortController();
    const following = Array.from({ length: subscribers }, async (_, i) => {
      const url = `${client.url}/v1/views/${view}/rows?groupBy=origin&orderBy=-flights&limit=${10 + (i % 10)}&live=true`;
      const { body } = await fetch(url, { signal: stop.signal });
      const reader = body?.getReader();
      await reader?.read();
      const drained = (async () => {
        while ((await reader?.read())?.done === false);
      })().catch(() => undefined);
      return { drained };
    });
    const all = await Promise.all(following);
    const rate = await ingest();
    stop.abort();
    await Promise.all(all.map(({ drained }) => drained));
    return rate;
  };
  const { ours, theirs, ratio } = await alternate(rounds, followed, ingest);
  return {
    what: `ingest with ${subscribers} live subscribers`,
    against: "the same without",
    mark: atLeast(0.9),
    aim: atLeast(0.95),
    measured: ratio,
    detail: `${formatCount(Math.round(ours))} against ${formatCount(Math.round(theirs))} events/s`,
  };
}
