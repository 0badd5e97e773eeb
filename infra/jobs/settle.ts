import { type ErrorCode, TidemarkError } from "../../views/errors.ts";
import type { Run, RunRequest, RunResult } from "./jobs.ts";

/** A run with what only its queue needs to know of it. */
export interface HeldRun {
  readonly run: Run;
  /** How often it was begun and neither given back nor failed by what can be tried again. */
  readonly attempts: number;
  /** How often it has failed by what can be tried again. */
  readonly failures: number;
  /** Not to be begun before, milliseconds since the epoch. Runs behind it wait as well: they are done in order. */
  readonly retryAt: number | null;
  /** Somebody asked for it to stop. */
  readonly isStopping: boolean;
}

export type Outcome =
  | { readonly kind: "done"; readonly result: RunResult }
  | { readonly kind: "failed"; readonly error: unknown };

const mostAttempts = 2;

/** Pauses before a run that failed by what can be tried again is tried again. */
export const retryDelaysMs: readonly number[] = [5_000, 30_000, 120_000];

export interface SettleOptions {
  readonly nowMs: number;
  /** The worker gives up its runs: what fails now is no fault of the run. */
  readonly isClosing: boolean;
  readonly retryDelaysMs: readonly number[];
}

/** What becomes of a run after its handler: it has ended, or it is in the queue again. */
export function settle<H extends HeldRun>(held: H, outcome: Outcome, options: SettleOptions): H {
  if (outcome.kind === "done") {
    return ended(held, { state: "succeeded", result: outcome.result, error: null }, options.nowMs);
  }
  const { error } = outcome;
  if (held.isStopping) return cancelled(held, options.nowMs);
  if (options.isClosing) return queued({ ...held, attempts: held.attempts - 1 });
  if (error instanceof TidemarkError && error.code === "TIDEMARK_PROCESS_GONE") {
    return giveBack(held, error.message, options.nowMs);
  }
  const delayMs = error instanceof TidemarkError && error.canRetry && options.retryDelaysMs[held.failures];
  if (typeof delayMs !== "number") {
    return ended(held, { state: "failed", error: describe(error) }, options.nowMs);
  }
  return queued({
    ...held,
    run: { ...held.run, error: describe(error) },
    attempts: held.attempts - 1,
    failures: held.failures + 1,
    retryAt: options.nowMs + delayMs,
  });
}

/** Puts a run that was begun and did not end into the queue once more; the second time it has failed. */
export function giveBack<H extends HeldRun>(held: H, reason: string, nowMs: number): H {
  if (held.isStopping) return cancelled(held, nowMs);
  if (held.attempts < mostAttempts) return queued(held);
  const message = `the run was begun ${held.attempts} times and never ended: ${reason}`;
  return ended(held, { state: "failed", error: { code: "TIDEMARK_RUN_LOST", message } }, nowMs);
}

export function cancelled<H extends HeldRun>(held: H, nowMs: number): H {
  return ended(held, { state: "cancelled", error: null }, nowMs);
}

export function begun<H extends HeldRun>(held: H, nowMs: number): H {
  const run: Run = { ...held.run, state: "running", startedAt: timeOf(nowMs), error: null };
  return { ...held, run, attempts: held.attempts + 1, retryAt: null };
}

export function requested(
  id: string,
  { requestedBy, kind = "batch", view = null, full = false, past = null }: RunRequest,
  nowMs: number,
): HeldRun {
  const run: Run = {
    id,
    state: "queued",
    kind,
    view,
    full,
    past,
    requestedBy,
    requestedAt: timeOf(nowMs),
    startedAt: null,
    finishedAt: null,
    progress: null,
    error: null,
    result: null,
  };
  return { run, attempts: 0, failures: 0, retryAt: null, isStopping: false };
}

export function hasEnded({ state }: Run): boolean {
  return state !== "queued" && state !== "running";
}

export async function attempt(perform: () => Promise<RunResult>): Promise<Outcome> {
  try {
    return { kind: "done", result: await perform() };
  } catch (error) {
    return { kind: "failed", error };
  }
}

function queued<H extends HeldRun>(held: H): H {
  return { ...held, run: { ...held.run, state: "queued", startedAt: null, progress: null } };
}

function ended<H extends HeldRun>(held: H, ending: Partial<Run>, nowMs: number): H {
  return { ...held, run: { ...held.run, ...ending, finishedAt: timeOf(nowMs) } };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

function describe(error: unknown): { readonly code: ErrorCode; readonly message: string } {
  return {
    code: error instanceof TidemarkError ? error.code : "TIDEMARK_INTERNAL",
    message: error instanceof Error ? error.message : String(error),
  };
}
