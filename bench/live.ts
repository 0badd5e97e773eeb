import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Client } from "../cli/client.ts";
import { formatBytes, formatCount } from "../cli/quantity.ts";
import { loadLines } from "./lines.ts";
import { alternate, atLeast, giveWay, type Row, settle } from "./rounds.ts";

const rounds = 3;
const eventsPerRound = 100_000;
const subscribers = 200;

/**
 * Ingest while 200 clients follow live queries of ten kinds, against the same while nobody does. `from`: the first
 * event that is new.
 */
export async function benchLive(client: Client, view: string, from: number): Promise<Row> {
  let next = from;
  let told = 0;
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
    const program = fileURLToPath(new URL("./followers.ts", import.meta.url));
    const url = `${client.url}/v1/views/${view}/rows?groupBy=origin&orderBy=-flights&live=true`;
    const followers = fork(program, [url, String(subscribers)], { execArgv: ["--import", "tsx/esm"] });
    giveWay(followers);
    try {
      await once(followers, "message");
      const rate = await ingest();
      followers.send("how many");
      [told] = await once(followers, "message");
      if (told === 0) throw new Error("nobody was told anything");
      return rate;
    } finally {
      followers.kill();
      await once(followers, "exit");
    }
  };
  const { ours, theirs, ratio } = await alternate(rounds, followed, ingest);
  return {
    what: `ingest with ${subscribers} live subscribers`,
    against: "the same without",
    mark: atLeast(0.9),
    aim: atLeast(0.95),
    measured: ratio,
    detail: `${formatCount(Math.round(ours))} against ${formatCount(Math.round(theirs))} events/s, ${formatBytes(told)} told`,
  };
}
