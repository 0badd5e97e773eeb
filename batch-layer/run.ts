import type { Duckdb } from "../infra/duckdb.ts";
import type { GenerationsWriter, Manifest } from "../infra/generations/generations.ts";
import type { GenerationResult, Run, RunProgress, RunResult } from "../infra/jobs/jobs.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import type { Master } from "../infra/master/master.ts";
import type { SealedTail, SealRequest } from "../infra/tail/tail.ts";
import type { Timers } from "../infra/timers.ts";
import type { App } from "../views/app.ts";
import { type Cut, cutCovers, formatCut, recordsBetween } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import type { EventType } from "../views/event.ts";
import { isFolded, isRecomputed, notRecomputed } from "../views/layers.ts";
import { cutOf } from "../views/mapping.ts";
import { isOld } from "../views/subject.ts";
import type { View } from "../views/view.ts";
import { isInFull, type Way, wayOf } from "./base.ts";
import { type Build, type Built, buildGeneration } from "./build.ts";
import { buildIncrement } from "./build-increment.ts";
import { countingOnce } from "./count-records.ts";
import { type Erasing, expiredBy, type FoundErasure, isOfView } from "./erasing.ts";
import { dropPasts, performPastRun } from "./past-run.ts";
import { listedOnce, readSources, type Sources } from "./read-sources.ts";
import type { Served } from "./reconcile.ts";
import { runCut, type Sealing, sealWithin } from "./run-cut.ts";
import { Progress } from "./run-progress.ts";
import { sealedRows, servedAt } from "./served.ts";

/**
 * Brings the master dataset up to `until` at least; of topics that it does not name, or of all if it is
 * undefined, up to where the log ends now. Gives the cut that the master then covers. `progress` is
 * told how many records were archived so far.
 */
export type Archive = (
  until: Cut | undefined,
  signal: AbortSignal,
  progress: (records: number) => void,
) => Promise<Cut>;

export interface RunParts {
  readonly app: App;
  readonly master: Master;
  readonly generations: GenerationsWriter;
  /** Where runs as of the past keep what they make; without it there are none. */
  readonly pasts?: GenerationsWriter;
  readonly archive: Archive;
  readonly seal: SealRequest;
  readonly sealedTail: SealedTail;
  readonly duckdb: Duckdb;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly timers: Timers;
  /** How long the speed layer may take to seal before the run goes on without it. Default 30 s. */
  readonly sealWithinMs?: number;
  /** The age of a view's last full computation from which on it is computed in full again. Default: none. */
  readonly fullWithinMs?: number;
  /** How many rows the latest files of a view's states have. Default 16,384. */
  readonly partRows?: number;
  /** Without it nothing is erased, and nothing gets too old. */
  readonly erasing?: Erasing;
}

/**
 * One batch run, the whole hand-off: seal, archive, compute, reconcile, publish; see `docs/architecture.md`. A check ends before
 * anything is published, and a run as of the past is another matter (`performPastRun`). All views
 * are built before any pointer moves, so that a run that fails or is stopped leaves what served before it serving.
 * Doing a run again is harmless. Rejects with TIDEMARK_RUN_CANCELLED once the signal has aborted.
 */
export async function performRun(
  parts: RunParts,
  run: Pick<Run, "id" | "kind" | "view" | "full"> & Partial<Pick<Run, "past">>,
  report: (progress: RunProgress) => void,
  signal: AbortSignal,
): Promise<RunResult> {
  const { past } = run;
  if (past) return performPastRun(parts, { id: run.id, past }, report, signal);
  const { app, generations } = parts;
  const views = viewsOf(app, run.view);
  const progress = new Progress(views, report);
  const ends = new Lifecycle();
  try {
    const current = new Map<View, Manifest | undefined>();
    for (const view of app.views.filter(isRecomputed)) current.set(view, await generations.current(view));
    const isCheck = run.kind === "check";
    const erasures = isCheck ? [] : ((await parts.erasing?.pending()) ?? []);
    progress.sealing();
    const sealing = await sealWithin(parts.seal, parts.sealWithinMs ?? 30_000, parts.timers);
    signal.throwIfAborted();
    const least = [...current.values(), ...erasures.map(({ bound }) => ({ cut: bound }))];
    const cut = await archiveUpTo(parts, sealing, least, progress, signal);
    const wayParts = {
      ...{ app, run, nowMs: parts.clock() },
      fullWithinMs: parts.fullWithinMs ?? Number.POSITIVE_INFINITY,
    };
    const erased = [...((await parts.erasing?.takeOut(erasures, signal)) ?? [])];
    if (!isCheck && isInFull(wayParts, current.values())) {
      erased.push(...((await parts.erasing?.takeOutOld(cut, wayParts.nowMs, signal)) ?? []));
    }
    const master = listedOnce(parts.master);
    const countRecords = countingOnce();
    const works = views.map((view): Work => {
      const ofView = erased.filter((each) => isOfView(each, view));
      const way = wayOf({ ...wayParts, hasErased: ofView.length > 0 }, view, current.get(view));
      const common = { ...parts, master, countRecords, run: run.id, cut, sealing, progress, signal };
      return { ...common, view, way, current: current.get(view), erased: ofView };
    });
    const built = await buildAll(works, ends);
    if (!isCheck) await publish(parts, built, progress, signal);
    if (erased.length > 0) {
      await parts.erasing?.finish(
        erased,
        cut,
        built.map(({ manifest }) => manifest),
      );
    }
    const expired = expiredBy(erased);
    return {
      generations: (isCheck ? [] : built).map(({ manifest }) => resultOf(manifest)),
      records: recordsBetween({}, cut),
      reconciliations: built.map(({ manifest: { view, id, createdAt, cut, reconciliation } }) => ({
        ...{ view, generation: isCheck ? null : id, createdAt, cut: formatCut(cut), reconciliation },
      })),
      ...(expired.length > 0 && { expired }),
    };
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new TidemarkError("TIDEMARK_RUN_CANCELLED", `run ${run.id} was stopped`, { cause: error });
  } finally {
    await ends[Symbol.asyncDispose]();
  }
}

function resultOf({ view, id, rows, reconciliation, base, inFull }: Manifest): GenerationResult {
  const differing = reconciliation.kind === "compared" ? reconciliation.differing : null;
  return { view, id, rows, differing, base: base?.id ?? null, inFull: inFull ?? null };
}

interface Work
  extends Omit<RunParts, "master">,
    Pick<Sources, "master">,
    Omit<Build, "run" | "sources" | "generations" | "connection" | "clock" | "timers"> {
  readonly run: string;
  readonly way: Way;
  readonly current: Manifest | undefined;
  readonly sealing: Sealing;
  /** By this run, those that took records of the view. */
  readonly erased: readonly FoundErasure[];
}

/**
 * Full computations fill DuckDB's memory by themselves. Of those that go on from a base two are made side by side: DuckDB computes
 * for the one while this thread merges the other.
 */
async function buildAll(works: readonly Work[], ends: Lifecycle): Promise<readonly Built[]> {
  const made = new Map<Work, Built>();
  const build = async (work: Work) => void made.set(work, await buildBy(work, ends));
  const ofWay = (kind: Way["kind"]) => works.filter(({ way }) => way.kind === kind);
  await all(ofWay("incremental"), build, 2);
  await all(ofWay("full"), build, 1);
  return works.flatMap((work) => made.get(work) ?? []);
}

/** On a connection of its own, whose tables go with it. */
async function buildBy(work: Work, ends: Lifecycle): Promise<Built> {
  const connection = await work.duckdb.connect();
  try {
    return await buildItsWay({ ...work, connection }, ends);
  } finally {
    work.duckdb.disconnect(connection);
  }
}

type Connected = Work & Pick<Build, "connection">;

/** A base that can't be read must not keep the run that replaces it from being made: then the view is computed in full. */
async function buildItsWay(work: Connected, ends: Lifecycle): Promise<Built> {
  const { way, view, cut, sealing, sealedTail } = work;
  if (way.kind === "full") return buildInFull(way.reason, work, ends);
  const { base } = way;
  try {
    const sources = await readSources(work, base.cut);
    const tail = sealedRows(sealedTail, view, cutOf(view, base.cut), cutOf(view, cut), sealing);
    return await buildIncrement({ ...work, base, sources, tail }, ends);
  } catch (error) {
    if (!(error instanceof TidemarkError) || error.code !== "TIDEMARK_STORE_CORRUPT") throw error;
    return buildInFull(error.message, work, ends);
  }
}

async function buildInFull(reason: string, work: Connected, ends: Lifecycle): Promise<Built> {
  const { view, current, cut, sealing, erased } = work;
  const served = async () =>
    erased.length > 0 ? erasedSince(erased) : servedAt(work, view, current, cut, sealing, ends);
  return buildGeneration({ ...work, sources: await readSources(work, {}), reason, served }, ends);
}

/** What was served held what was erased: a difference is wanted. */
function erasedSince(erasures: readonly FoundErasure[]): Served {
  const which = erasures.map((each) =>
    isOld(each) ? `those of ${each.type} from before ${each.before}, which are not kept any more` : each.id,
  );
  return {
    kind: "unknown",
    reason: `facts were erased by this run (${which.join(", ")}), which what was served still held`,
  };
}

/** All that batch runs compute, or the one named: one that they do not, or that was taken out of the app since, is refused. */
function viewsOf({ views }: App, name: string | null): readonly View[] {
  const computed = views.filter(isRecomputed);
  if (name === null) return computed;
  const view = views.find((candidate) => candidate.name === name);
  if (view !== undefined && !isRecomputed(view)) throw notRecomputed(view, "there is nothing to check");
  if (view !== undefined) return [view];
  const names = computed.map((each) => each.name).join(", ");
  throw new TidemarkError(
    "TIDEMARK_QUERY_VIEW_UNKNOWN",
    `there is no view "${name}" to check; there are ${names}`,
  );
}

/** Gives the cut of the run, which the master covers: where the tail was sealed, or, of topics without a seal, the log's end. */
async function archiveUpTo(
  { app, master, archive }: RunParts,
  sealing: Sealing,
  least: readonly (Pick<Manifest, "cut"> | undefined)[],
  progress: Progress,
  signal: AbortSignal,
): Promise<Cut> {
  const sealed = app.events.filter((event) => isSealed(app, event));
  const until = sealing.kind === "sealed" ? runCut(sealed, sealing.position, least) : undefined;
  const isKnown = until !== undefined && sealed.length === app.events.length;
  const missing = isKnown ? recordsBetween(await master.cut(), until) : Number.POSITIVE_INFINITY;
  progress.archiving(0);
  const archived = await archive(until, signal, (records) => progress.archiving(records / missing));
  signal.throwIfAborted();
  const cut = { ...runCut(app.events, archived, least), ...until };
  if (cutCovers(archived, cut)) return cut;
  throw new TidemarkError(
    "TIDEMARK_STORE_GAP",
    `the master dataset reaches ${formatCut(archived)}, the run needs it up to ${formatCut(cut)}: the log has lost records, or is not the one that the generations were made from`,
  );
}

/** Whether a seal says how far the topic is folded; of a topic that no view is from nobody needs to know. */
function isSealed({ views }: App, event: EventType): boolean {
  const ofEvent = views.filter(({ mappings }) => mappings.some((mapping) => mapping.event === event));
  return ofEvent.length === 0 || ofEvent.some((view) => isFolded(view) && isRecomputed(view));
}

/** Makes all of them visible, then moves the pointers; after that the run counts as done and is not stopped any more. */
async function publish(
  { app, generations, pasts, clock }: RunParts,
  built: readonly Built[],
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  let done = 0;
  progress.publishing(0);
  signal.throwIfAborted();
  await all(built, async ({ draft, manifest }) => {
    await draft.publish(manifest);
    progress.publishing(++done / built.length);
  });
  signal.throwIfAborted();
  await all(built, ({ manifest }) => generations.point(manifest.view, manifest.id));
  await all(built, ({ manifest }) => generations.prune(manifest.view, app.batch.keep));
  await dropPasts(pasts, clock());
  progress.publishing(1);
}

/** So many side by side. Rejects only when none is under way any more, and begins none after one that failed. */
async function all<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  atOnce = items.length,
): Promise<void> {
  const waiting = [...items];
  const lane = async () => {
    try {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
    } finally {
      waiting.length = 0;
    }
  };
  for (const outcome of await Promise.allSettled(Array.from({ length: atOnce }, lane))) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}
