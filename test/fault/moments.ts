import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flight } from "../../examples/flights/app.ts";
import { parsePosition } from "../../views/cut.ts";
import { flightLines } from "./flights-in-order.ts";
import { answersFromLog, firstDifference, viewNames } from "./oracle.ts";
import { Platform, type Row } from "./platform.ts";
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
        data,
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

/** Compares every view with the oracle at the position its answer names; gives the number of rows. */
export async function compareNow(platform: Platform, data: string, when: string): Promise<number> {
  await platform.caughtUp();
  const first = await platform.rows(viewNames[0] ?? "");
  const { position } = first.provenance;
  const nexts = [...(parsePosition(position).get(flight.name) ?? [])]
    .sort(([a], [b]) => a - b)
    .map(([, next]) => next);
  const expected = await answersFromLog(join(data, "log"), nexts, join(data, "oracle.ndjson"));
  let rows = 0;
  for (const view of viewNames) {
    const answer = await platform.rows(view);
    if (answer.provenance.position !== position) {
      throw new Error(`${when}: ${view} stands at another position though nothing was sent`);
    }
    const difference = firstDifference(answer.rows, expected.get(view) ?? []);
    if (difference !== undefined) {
      throw new Error(`${when}: ${view}: ${difference}; provenance ${JSON.stringify(answer.provenance)}`);
    }
    rows += answer.rows.length;
  }
  return rows;
}
