import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import autocannon from "autocannon";
import type { Client } from "../cli/client.ts";
import { formatCount } from "../cli/quantity.ts";
import { loadLines, splitLines } from "./lines.ts";
import { alternate, type Row } from "./rounds.ts";

const rounds = 3;
const secondsPerRound = 4;
const connections = 10;

/** A query of one airport's hours, as many as `limit` says, of which some come from the tail. */
export interface MergedQuery {
  readonly view: string;
  readonly parameters: { readonly origin: string; readonly from: string; readonly limit: string };
}

/** Answers go on changing, and taking these events in is little of what the server does. */
const eventEveryMs = 20;
const hourMs = 3_600_000;

/**
 * Requests per second of merged answers, against a bare Fastify that has such rows ready. The queries differ, and meanwhile
 * events come in one by one, or answers could be kept: the same query at the same moment has the same answer.
 */
export async function benchQuery(
  client: Client,
  query: MergedQuery,
  { from, folder, ...bounds }: Pick<Row, "what" | "mark" | "aim"> & { from: number; folder: string },
): Promise<Row> {
  const paths = await pathsLike(client, query);
  const answer = await client.rows(query.view, query.parameters);
  const { limit } = query.parameters;
  if (answer.rows.length !== Number(limit))
    throw new Error(`the query gives ${answer.rows.length} rows, not ${limit}`);
  const payload = join(folder, "payload.json");
  await writeFile(payload, JSON.stringify(answer));
  const bare = fork(fileURLToPath(new URL("./bare-fastify.ts", import.meta.url)), [payload], {
    execArgv: ["--import", "tsx/esm"],
  });
  try {
    const [port] = await once(bare, "message");
    const lines = splitLines(await loadLines(from, trickledEvents));
    const ask = async (url: string, requests: readonly { readonly path: string }[]) => {
      let isDone = false;
      const trickling = trickle(client, lines, () => isDone);
      const load = { url, requests, connections, duration: secondsPerRound };
      const { requests: served, errors, non2xx } = await autocannon(load);
      isDone = true;
      await trickling;
      if (errors + non2xx > 0) throw new Error(`${errors + non2xx} requests to ${url} failed`);
      return served.average;
    };
    const { ours, theirs, ratio } = await alternate(
      rounds,
      () => ask(client.url, paths),
      () => ask(`http://127.0.0.1:${port}`, [{ path: "/" }]),
    );
    return {
      ...bounds,
      against: "bare Fastify returning the same payload",
      measured: ratio,
      detail: `${formatCount(Math.round(ours))} against ${formatCount(Math.round(theirs))} requests/s, ${paths.length} queries in turn, an event every ${eventEveryMs} ms`,
    };
  } finally {
    bare.kill();
  }
}

/** Queries of the same kind, for the busiest airports from each hour of the day before on, that have as many rows. */
async function pathsLike(
  client: Client,
  { view, parameters }: MergedQuery,
): Promise<{ readonly path: string }[]> {
  const rows = Number(parameters.limit);
  const paths: { readonly path: string }[] = [];
  for (const { origin } of await busiest(client, view)) {
    for (let hour = 0; hour < 24; hour++) {
      const start = Date.parse(parameters.from) - hour * hourMs;
      const [from, to] = [start, start + 2 * rows * hourMs].map((at) => new Date(at).toISOString());
      const query = { ...parameters, origin: String(origin), from: String(from), to: String(to) };
      const answer = await client.rows(view, query);
      if (answer.rows.length === rows)
        paths.push({ path: `/v1/views/${view}/rows?${new URLSearchParams(query)}` });
    }
  }
  if (paths.length < 100) throw new Error(`only ${paths.length} queries have ${rows} rows`);
  return paths;
}

async function busiest(client: Client, view: string): Promise<readonly Record<string, unknown>[]> {
  const byFlights = { groupBy: "origin", measures: "flights", orderBy: "-flights", limit: "20" };
  return (await client.rows(view, byFlights)).rows;
}

/** How many events `benchQuery` takes from the replay at most. */
export const trickledEvents = 10_000;

async function trickle(client: Client, lines: Buffer[], isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    const line = lines.pop();
    if (line === undefined) throw new Error("there are not enough events to send one by one");
    await client.ingest({ body: [line], contentType: "application/x-ndjson" });
    await new Promise((resolve) => setTimeout(resolve, eventEveryMs));
  }
}
