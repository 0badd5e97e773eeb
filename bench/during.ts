import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Client } from "../cli/client.ts";
import { formatCount } from "../cli/quantity.ts";
import type { MergedQuery } from "./query.ts";
import { alternate, atMost, giveWay, quantile, type Row } from "./rounds.ts";

const rounds = 3;
const idleMs = 4_000;
const askEveryMs = 4;
const eventsPerRound = 400_000;
/** Within this time a checkpoint of the tail has been written, at leisure. */
const untilWrittenMs = 15_000;

/** How many events `benchDuringIngest` leaves in the log. */
export const ingestedWhileAsked = rounds * eventsPerRound;

/** The 99th percentile of a query's latency while a batch run is going on, against the same when there is none. */
export function benchDuringBatch(client: Client, query: MergedQuery): Promise<Row> {
  return benchDuring(client, query, {
    ...{ what: "the same query while a batch run is going on", mark: atMost(5, "×"), aim: atMost(2, "×") },
    busy: async () => {
      const run = await client.submitRun({ full: true });
      for await (const { state, error } of client.watchRun(run.id)) {
        if (state === "failed") throw new Error(`the run failed: ${error?.message}`);
      }
    },
  });
}

/** The same while as many events are taken as will go in. */
export async function benchDuringIngest(client: Client, query: MergedQuery, from: number): Promise<Row> {
  const program = fileURLToPath(new URL("./sender.ts", import.meta.url));
  const sender = fork(program, [client.url, String(from), String(eventsPerRound)], {
    execArgv: ["--import", "tsx/esm"],
  });
  giveWay(sender);
  const rates: number[] = [];
  try {
    let position: string | undefined;
    const row = await benchDuring(client, query, {
      ...{ what: "point query under full ingest", mark: atMost(3, "×"), aim: atMost(2, "×") },
      prepare: async () => {
        sender.send("load");
        await once(sender, "message");
      },
      busy: async () => {
        const startedAt = performance.now();
        sender.send("send");
        [position] = await once(sender, "message");
        rates.push((eventsPerRound * 1000) / (performance.now() - startedAt));
      },
      calm: async () => {
        if (position === undefined) return;
        await client.rows(query.view, { ...query.parameters, after: position, timeout: "30s" });
        await pause(untilWrittenMs);
      },
    });
    return { ...row, detail: `${row.detail}, ${formatCount(Math.round(quantile(rates, 0.5)))} events/s` };
  } finally {
    sender.kill();
  }
}

interface Load {
  /** What has to be done before `busy` and is no part of it. */
  readonly prepare?: () => Promise<void>;
  readonly busy: () => Promise<void>;
  /** Resolves once nothing is left to be done of it. */
  readonly calm?: () => Promise<void>;
}

async function benchDuring(
  client: Client,
  query: MergedQuery,
  { prepare, busy, calm, ...bounds }: Pick<Row, "what" | "mark" | "aim"> & Load,
): Promise<Row> {
  const ask = async () => {
    await client.rows(query.view, query.parameters);
  };
  const whenIdle = async () => {
    await calm?.();
    const until = performance.now() + idleMs;
    return quantile(await latencies(ask, () => performance.now() >= until), 0.99);
  };
  const whenBusy = async () => {
    await prepare?.();
    await calm?.();
    let isDone = false;
    const work = busy().finally(() => {
      isDone = true;
    });
    const [measured] = await Promise.all([latencies(ask, () => isDone), work]);
    return quantile(measured, 0.99);
  };
  const { ours, theirs, ratio } = await alternate(rounds, whenBusy, whenIdle);
  return {
    ...bounds,
    against: "idle",
    measured: ratio,
    detail: `p99 ${ours.toFixed(1)} ms against ${theirs.toFixed(1)} ms at ${1000 / askEveryMs} requests/s`,
  };
}

/**
 * Milliseconds from when each request was due to its answer: requests are due at a fixed rate, whether or not the ones
 * before have been answered, so that a stall counts for everyone who would have come meanwhile.
 */
async function latencies(ask: () => Promise<void>, isDone: () => boolean): Promise<number[]> {
  const measured: number[] = [];
  const pending = new Set<Promise<void>>();
  let dueAt = performance.now();
  while (!isDone()) {
    for (const now = performance.now(); dueAt <= now; dueAt += askEveryMs) {
      const due = dueAt;
      const asked = ask().then(() => {
        measured.push(performance.now() - due);
        pending.delete(asked);
      });
      pending.add(asked);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(pending);
  return measured;
}
