import { stat } from "node:fs/promises";
import { automaticPolicy } from "../infra/master/compaction-plan.ts";
import { Compactor, type CompactorParts, type FilesToMove } from "../infra/master/compactor.ts";
import { OldFiles } from "../infra/master/old-files.ts";

/**
 * Far longer than what other processes read after one listing of the master dataset: a statement of SQL ends after 10 s, ids to
 * know duplicates by are read in seconds, and listed again if a file is gone.
 */
const graceMs = 10 * 60_000;

/**
 * Once so many offsets are rewritten after one archiving, no further file is begun: a few seconds of work, beside which
 * a run may begin.
 */
const mostRecords = 1_000_000;

/** What was written more lately may be made into a larger file yet, of old events that are archived only now as well. */
const restMs = 86_400_000;

/**
 * Compaction beside archiving and runs, in the process that does both. Files whose newest event is older than
 * `coldAfterMs` go to the cold folder; undefined: none do.
 */
export function compactBeside(
  parts: Pick<CompactorParts, "events" | "master" | "duckdb">,
  coldAfterMs: number | undefined,
) {
  const compactor = new Compactor({
    ...parts,
    ...(coldAfterMs !== undefined && { toMove: hotOlderThan(coldAfterMs, restMs) }),
    timers: globalThis,
    policy: automaticPolicy,
    graceMs,
    now: () => performance.now(),
  });
  return {
    tidy: (signal: AbortSignal) => compactor.pass({ mostRecords, signal }),
    /** Runs go through this: what they listed stays until they have ended. */
    whileReading: <T>(work: () => Promise<T>) => compactor.whileReading(work),
    /** What changes files itself goes through this. */
    alone: <T>(work: () => Promise<T>) => compactor.alone(work),
  };
}

/** Hot files whose events are all older, and which were written longer ago than `restMs`. */
export function hotOlderThan(ageMs: number, restMs = 0): FilesToMove {
  const old = new OldFiles(() => Date.now() - ageMs);
  return async (connection, files) => {
    const found = await old.among(
      connection,
      files.filter(({ isCold }) => isCold !== true),
    );
    const writtenMs = await Promise.all(found.map(async ({ path }) => (await stat(path)).mtimeMs));
    return found.filter((_, i) => Date.now() - (writtenMs[i] ?? 0) >= restMs);
  };
}

export const coldFiles: FilesToMove = async (_connection, files) => files.filter(({ isCold }) => isCold);
