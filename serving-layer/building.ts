import type { Jobs } from "../infra/jobs/jobs.ts";
import { TidemarkError } from "../views/errors.ts";
import { isFolded, isRecomputed, notRecomputed } from "../views/layers.ts";
import { needsGeneration } from "../views/version.ts";
import type { View } from "../views/view.ts";

/** Of a view, or a version of one, that is not answered yet, since it has no generation. */
export function building(view: View): TidemarkError {
  const { family, version, name } = view;
  const what = isFolded(view)
    ? `version ${version} of view "${family}" is not built yet`
    : `view "${name}", which batch runs alone compute, is not built yet`;
  return new TidemarkError(
    "TIDEMARK_VIEW_BUILDING",
    `${what}: it waits for the batch run that makes the first generation of "${name}", which POST /v1/batch/runs or the schedule starts`,
  );
}

/**
 * Whether somebody is to be told that the view can't be answered: nobody waits for a version that is being built beside the
 * active one, nor for the first answer of what one layer alone computes.
 */
export function isAwaited(
  view: View,
  snapshots: { isBuilding(view: View): boolean },
  versions: { isActive(view: View): boolean },
): boolean {
  return !snapshots.isBuilding(view) || (versions.isActive(view) && view.layers === "both");
}

/** Of a view without a generation where one is needed; `instead` says what could be done. */
export function noGeneration(view: View, instead: string): TidemarkError {
  if (!isRecomputed(view)) return notRecomputed(view, "ask for its rows");
  if (needsGeneration(view)) return building(view);
  return new TidemarkError(
    "TIDEMARK_QUERY_NO_GENERATION",
    `view "${view.name}" has no generation yet: start a run with POST /v1/batch/runs${instead}`,
  );
}

async function withProgress(error: unknown, jobs: Jobs): Promise<unknown> {
  if (!(error instanceof TidemarkError) || error.code !== "TIDEMARK_VIEW_BUILDING") return error;
  const how = await progressOf(jobs);
  return new TidemarkError(error.code, `${error.message}; ${how}`, { cause: error });
}

/** How a route answers what it throws: where a version is not built yet, with how far that is. */
export function saysProgress(jobs: Jobs): (error: unknown) => Promise<never> {
  return async (error) => {
    throw await withProgress(error, jobs);
  };
}

async function progressOf(jobs: Jobs): Promise<string> {
  if ((await jobs.obstacle()) !== undefined) return "whether one is going on can't be known now";
  const run = (await jobs.list(100)).find(({ state, kind }) => state === "running" && kind === "batch");
  if (run === undefined) return "none is going on";
  const { id, progress } = run;
  if (progress === null) return `run ${id} has begun`;
  const step = [progress.step, progress.view ?? ""].join(" ").trimEnd();
  return `run ${id} is at ${step}, ${Math.floor(progress.fraction * 100)} % of it all`;
}
