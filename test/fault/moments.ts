import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Row } from "./client.ts";
import { compareNow, oracleOf } from "./compare-now.ts";
import { flightLines } from "./flights-in-order.ts";
import { embeddedRecords } from "./oracle.ts";
import { Platform } from "./platform.ts";
import { Random } from "./random.ts";

export interface MomentsOptions {
  readonly seed: number;
  readonly moments: number;
  readonly events: number;
  /** Share of lines that are sent again later, as a producer does that heard no answer. */
  readonly duplicates: number;
  readonly say?: (text: string) => void;
}

export interface MomentsReport {
  readonly rowsCompared: number;
  readonly runs: number;
  readonly differing: number;
  /** Runs of a view that were held against something. */
  readonly compared: number;
}

/**
 * Replays flights and stops at random moments, batch runs going on in between. At each stop every merged row of every
 * view must equal DuckDB over the records up to the very position that the answer names. Throws at the first difference.
 */
export async function compareAtMoments(options: MomentsOptions): Promise<MomentsReport> {
  const random = new Random(options.seed);
  const lines = await flightLines(options.events);
  const data = await mkdtemp(join(tmpdir(), "tidemark-moments-"));
  const platform = await Platform.start(data);
  const stops = Array.from({ length: options.moments - 1 }, () => random.whole(1, lines.length)).sort(
    (a, b) => a - b,
  );
  let rowsCompared = 0;
  let run: string | undefined;
  let runs = 0;
  try {
    let sent = 0;
    for (const [moment, stop] of [...stops, lines.length].entries()) {
      while (sent < stop) {
        const next = Math.min(stop, sent + random.whole(1, 5_000));
        const batch = lines.slice(sent, next);
        if (sent > 0)
          for (const line of lines.slice(Math.max(0, sent - 2_000), sent))
            if (random.chance(options.duplicates)) batch.push(line);
        await platform.ingest(`${batch.join("\n")}\n`);
        sent = next;
        if (run === undefined && random.chance(0.3)) run = await platform.startRun();
      }
      // Half of the stops are looked at while a run is still going on.
      if (run !== undefined && random.chance(0.5)) {
        await platform.runIsDone(run);
        run = undefined;
        runs++;
      }
      rowsCompared += await compareNow(
        platform,
        oracleOf((nexts) => embeddedRecords(join(data, "log"), nexts)),
        `seed ${options.seed}, moment ${moment} (${sent} sent)`,
      );
      options.say?.(
        `moment ${moment + 1}/${options.moments}: ${sent} events, ${rowsCompared} rows equal so far`,
      );
    }
    if (run !== undefined) await platform.runIsDone(run);
    const { reconciliations } = await platform.get<{ reconciliations: readonly Row[] }>(
      "/v1/reconciliations?limit=1000",
    );
    return { rowsCompared, runs, ...countDrift(reconciliations) };
  } finally {
    await platform.kill();
    await rm(data, { recursive: true, force: true });
  }
}

function countDrift(reconciliations: readonly Row[]): Pick<MomentsReport, "differing" | "compared"> {
  let differing = 0;
  let compared = 0;
  for (const { reconciliation } of reconciliations) {
    const { kind, differing: keys } = reconciliation as { kind: string; differing?: number };
    if (kind !== "compared") continue;
    compared++;
    differing += keys ?? 0;
  }
  return { differing, compared };
}
