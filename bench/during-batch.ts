import type { Client } from "../cli/client.ts";
import type { MergedQuery } from "./query.ts";
import { alternate, atMost, quantile, type Row } from "./rounds.ts";

const rounds = 3;
const idleMs = 4_000;
const askEveryMs = 4;

/** The 99th percentile of a query's latency while a batch run is going on, against the same when there is none. */
export async function benchDuringBatch(client: Client, query: MergedQuery): Promise<Row> {
  const ask = async () => {
    await client.rows(query.view, query.parameters);
  };
  const idle = async () => {
    const until = performance.now() + idleMs;
    return quantile(await latencies(ask, () => performance.now() >= until), 0.99);
  };
  const busy = async () => {
    let isDone = false;
    const run = await client.submitRun();
    const watching = (async () => {
      for await (const { state, error } of client.watchRun(run.id)) {
        if (state === "failed") throw new Error(`the run failed: ${error?.message}`);
      }
    })().finally(() => {
      isDone = true;
    });
    const [measured] = await Promise.all([latencies(ask, () => isDone), watching]);
    return quantile(measured, 0.99);
  };
  const { ours, theirs, ratio } = await alternate(rounds, busy, idle);
  return {
    what: "the same query while a batch run is going on",
    against: "idle",
    mark: atMost(5, "×"),
    aim: atMost(2, "×"),
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
