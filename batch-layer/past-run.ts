import type { GenerationsWriter, Manifest } from "../infra/generations/generations.ts";
import type { Run, RunProgress, RunResult } from "../infra/jobs/jobs.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import {
  type Cut,
  cutAt,
  cutCovers,
  cutsEqual,
  formatCut,
  parsePosition,
  recordsBetween,
} from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { isRecomputed } from "../views/layers.ts";
import { cutOf } from "../views/mapping.ts";
import type { View } from "../views/view.ts";
import { type Built, buildGeneration } from "./build.ts";
import { countingOnce } from "./count-records.ts";
import { readSources } from "./read-sources.ts";
import type { RunParts } from "./run.ts";
import { Progress } from "./run-progress.ts";

/** How much of the past is kept. */
const keptPasts = { perView: 8, ageMs: 7 * 24 * 3_600_000 } as const;

/**
 * Computes views as of a past cut from the master dataset, and keeps the outcome beside the generations: no pointer ever
 * names it, and answers as of that cut, or of one behind it, go on from it. What is kept at the cut already is not computed
 * again. Rejects with TIDEMARK_RUN_CANCELLED once the signal has aborted.
 */
export async function performPastRun(
  parts: RunParts,
  { id, past }: { readonly id: string; readonly past: NonNullable<Run["past"]> },
  report: (progress: RunProgress) => void,
  signal: AbortSignal,
): Promise<RunResult> {
  const { app, archive, pasts, duckdb, clock } = parts;
  if (pasts === undefined) throw new Error("there is nowhere to keep answers of the past");
  const views = past.views.map((name) => viewOf(app.views, name));
  const types = new Set(views.flatMap(({ mappings }) => mappings.map(({ event }) => event)));
  const cut = cutAt(parsePosition(past.position), [...types]);
  const progress = new Progress(views, report);
  const ends = new Lifecycle();
  try {
    progress.archiving(0);
    const archived = await archive(cut, signal, () => progress.archiving(0));
    signal.throwIfAborted();
    if (!cutCovers(archived, cut)) throw notReached(cut, archived);
    const connection = await duckdb.connect();
    ends.defer(() => duckdb.disconnect(connection));
    const countRecords = countingOnce();
    const made: Manifest[] = [];
    for (const view of views) {
      const ofView = cutOf(view, cut);
      const kept = await keptAt(pasts, view, ofView);
      if (kept !== undefined) {
        made.push(kept);
        continue;
      }
      const common = { ...parts, generations: pasts, countRecords, connection, progress, signal };
      const work = { ...common, run: id, view, cut: ofView };
      const sources = await readSources(work, {});
      const built = await buildGeneration({ ...work, sources, reason, served: async () => notServed }, ends);
      made.push(await keep(built));
    }
    progress.publishing(1);
    return {
      generations: made.map(({ view, id, rows }) => ({
        ...{ view, id, rows, differing: null, base: null, inFull: reason },
      })),
      records: recordsBetween({}, cut),
      reconciliations: [],
    };
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new TidemarkError("TIDEMARK_RUN_CANCELLED", `run ${id} was stopped`, { cause: error });
  } finally {
    await ends[Symbol.asyncDispose]();
    await dropPasts(pasts, clock());
  }
}

/** Of each view the last few are kept, for a week. */
export async function dropPasts(
  pasts: Pick<GenerationsWriter, "pruneAll"> | undefined,
  nowMs: number,
): Promise<void> {
  await pasts?.pruneAll(keptPasts.perView, nowMs - keptPasts.ageMs);
}

const reason = "it is of a past cut";
const notServed = { kind: "unknown", reason: "computed as of a past cut: it has never been served" } as const;

async function keep({ draft, manifest }: Built): Promise<Manifest> {
  const past = { ...manifest, past: "run" } as const;
  await draft.publish(past);
  return past;
}

async function keptAt(pasts: GenerationsWriter, view: View, cut: Cut): Promise<Manifest | undefined> {
  const kept = await pasts.list(view.name);
  return kept.find(
    ({ fingerprint, cut: of, past }) =>
      past === "run" && fingerprint === view.fingerprint && cutsEqual(of, cut),
  );
}

/** One that was taken out of the app since, or is declared for the speed layer alone by now, is refused. */
function viewOf(views: readonly View[], name: string): View {
  const view = views.find((candidate) => candidate.name === name);
  if (view !== undefined && isRecomputed(view)) return view;
  throw new TidemarkError("TIDEMARK_QUERY_VIEW_UNKNOWN", `batch runs compute no view "${name}" any more`);
}

function notReached(cut: Cut, archived: Cut): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_STORE_GAP",
    `the master dataset reaches ${formatCut(archived)}, the run needs it up to ${formatCut(cut)}: the log has lost records`,
  );
}
