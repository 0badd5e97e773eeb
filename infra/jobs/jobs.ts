import type { Reconciliation } from "../generations/generations.ts";

/** A batch run as everyone sees it. Times are RFC 3339. */
export interface Run {
  readonly id: string;
  /**
   * "check": everything is computed and held against what is served, and nothing is published. "past": some views are
   * computed as of a past position, and kept beside what serves.
   */
  readonly kind: "batch" | "check" | "past";
  /** The only view that is checked; null: all of them. */
  readonly view: string | null;
  /** Whether every view is to be computed from all records, also where the run could go on from the generation that serves. */
  readonly full: boolean;
  /** Of a run as of the past; else null. */
  readonly past: RunPast | null;
  readonly state: "queued" | "running" | "succeeded" | "failed" | "cancelled";
  /** Who asked: "schedule", "http", "tail-bound" or a name given. */
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly progress: RunProgress | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly result: RunResult | null;
}

/** What is computed as of when: views by their exact names, at a position that names every partition of their topics. */
export interface RunPast {
  readonly position: string;
  readonly views: readonly string[];
}

export interface RunProgress {
  readonly step: "seal" | "archive" | "compute" | "reconcile" | "publish";
  readonly view: string | null;
  /** 0 … 1 over the whole run. */
  readonly fraction: number;
}

export interface RunResult {
  readonly generations: readonly GenerationResult[];
  readonly records: number;
  readonly reconciliations: readonly ReconciledView[];
  /** Facts that the run let go of since their type does not keep them any more; absent where there were none. */
  readonly expired?: readonly Expired[];
}

export interface Expired {
  readonly type: string;
  /** Their event time is before it; RFC 3339. */
  readonly before: string;
  readonly records: number;
  /** Of the type, received before it. */
  readonly deadLetters: number;
}

export interface GenerationResult {
  readonly view: string;
  readonly id: string;
  readonly rows: number;
  readonly differing: number | null;
  /** The generation that it goes on from; null: it was computed from all records. */
  readonly base: string | null;
  /** Why it was computed from all records; null where it was not, and in runs of former versions. */
  readonly inFull: string | null;
}

/** What came of holding a view's batch answer against what was being served, at the cut of a run. */
export interface ReconciledView {
  readonly view: string;
  /** The generation that the run made; null: a check makes none. */
  readonly generation: string | null;
  readonly createdAt: string;
  readonly cut: string;
  readonly reconciliation: Reconciliation;
}

/**
 * A run as it is stored; former versions knew one kind, kept what it found with the generations alone, and computed everything
 * from all records.
 */
export function reviveRun(stored: Run): Run {
  const run = {
    ...stored,
    kind: stored.kind ?? "batch",
    view: stored.view ?? null,
    full: stored.full ?? false,
    past: stored.past ?? null,
  };
  if (run.result === null) return run;
  const { generations, reconciliations = [] } = run.result;
  const whole = generations.map((made) => ({
    ...made,
    base: made.base ?? null,
    inFull: made.inFull ?? null,
  }));
  return { ...run, result: { ...run.result, generations: whole, reconciliations } };
}

export function hasExamples({ result }: Run): boolean {
  return (result?.reconciliations ?? []).some(
    ({ reconciliation }) => reconciliation.kind === "compared" && reconciliation.examples.length > 0,
  );
}

/** The run without rows of what it has found to differ. */
export function withoutExamples(run: Run): Run {
  if (run.result === null) return run;
  const reconciliations = run.result.reconciliations.map((found) =>
    found.reconciliation.kind === "compared"
      ? { ...found, reconciliation: { ...found.reconciliation, examples: [] } }
      : found,
  );
  return { ...run, result: { ...run.result, reconciliations } };
}

export type RunHandler = (
  run: Run,
  report: (progress: RunProgress) => void,
  signal: AbortSignal,
) => Promise<RunResult>;

export interface RunRequest {
  readonly requestedBy: string;
  readonly ifBusy: "wait" | "refuse";
  /** Of requests for one occasion, by whichever process, one makes a run; the others are given that run. */
  readonly occasion?: string;
  /** Default "batch". */
  readonly kind?: Run["kind"];
  /** Of a check; default null. */
  readonly view?: string | null;
  /** Default false. */
  readonly full?: boolean;
  /** Of a run as of the past. */
  readonly past?: RunPast | null;
}

/** Batch runs: durable, one at a time per app, in order. */
export interface Jobs extends AsyncDisposable {
  /**
   * Queues a run. With `ifBusy: "refuse"` TIDEMARK_RUN_BUSY naming the run that is going on or waits, where it is not one as
   * of the past, which makes nothing of what others ask for; with "wait" if ten wait, for a run as of the past five. This
   * and all that follow reject with TIDEMARK_JOBS_UNAVAILABLE while the queue can't be reached.
   */
  submit(request: RunRequest): Promise<Run>;
  /** Newest first. */
  list(limit: number): Promise<readonly Run[]>;
  get(id: string): Promise<Run | undefined>;
  /** A queued run is taken out; a running one is asked to stop; one that has ended stays so. Throws TIDEMARK_RUN_UNKNOWN. */
  cancel(id: string): Promise<Run>;
  /** Calls back with every change of any run from now on, whichever process made it. The listener must not throw. */
  watch(listener: (run: Run) => void): Disposable;
  /**
   * Starts working runs off; one worker at a time. A run found half done (its worker died) is done again once, then failed.
   * A run that fails by an error that calls itself retriable is queued again, showing that error, and done again after a pause;
   * after the last pause it fails. Disposing of it stops the run in hand and gives it back to the queue.
   */
  work(handler: RunHandler): AsyncDisposable;
  /** Why no run can be asked for now; undefined if one can. */
  obstacle(): Promise<string | undefined>;
  /** Resolves once there is no obstacle; rejects if the queue is closed before. */
  available(): Promise<void>;
}
