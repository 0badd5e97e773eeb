import type { RunRequest } from "../../infra/jobs/jobs.ts";
import type { App } from "../../views/app.ts";
import { formatCut, parsePosition } from "../../views/cut.ts";
import type { TidemarkError } from "../../views/errors.ts";
import { isRecomputed, notRecomputed } from "../../views/layers.ts";
import type { View } from "../../views/view.ts";
import type { LogBound } from "../log-bound.ts";
import { parameterError } from "../parameter-text.ts";
import type { Queries } from "../query.ts";
import { partitionsWithout, readAsOf } from "./as-of.ts";
import { requireReached } from "./find-past.ts";

export interface PastRunParts {
  readonly app: App;
  readonly queries: Pick<Queries, "view">;
  readonly logEnd: LogBound;
}

/**
 * A run as of a past position: of the views that are named, or of all whose topics the position names. Throws
 * TIDEMARK_QUERY_PARAMETER, TIDEMARK_QUERY_VIEW_UNKNOWN, TIDEMARK_VIEW_LAYER and TIDEMARK_ASOF_AHEAD.
 */
export async function readPastRun(
  { app, queries, logEnd }: PastRunParts,
  text: string,
  names: readonly string[] | undefined,
): Promise<Pick<RunRequest, "kind" | "past">> {
  const views = names?.map((name) => queries.view(name)) ?? namedWholly(app, text);
  const none = views.find((view) => !isRecomputed(view));
  if (none !== undefined) throw notRecomputed(none, "a run can't compute it as of the past");
  const types = [...new Set(views.flatMap(({ mappings }) => mappings.map(({ event }) => event)))];
  const asOf = readAsOf({ name: "the views", types }, text, app.events);
  if (asOf.kind !== "position") throw needsPosition(text);
  requireReached(asOf.position, (await logEnd.current()).cut);
  const unique = [...new Set(views.map(({ name }) => name))];
  return { kind: "past", past: { position: formatCut(asOf.position), views: unique } };
}

function namedWholly({ views }: App, text: string): readonly View[] {
  const position = parsePosition(text);
  const named = views.filter(
    (view) =>
      isRecomputed(view) &&
      view.mappings.every(({ event }) => partitionsWithout(position, event).length === 0),
  );
  if (named.length > 0) return named;
  throw parameterError(
    `asOf names every partition of the topics of no view that batch runs compute: give a position as the answers of a view have it`,
  );
}

function needsPosition(text: string): TidemarkError {
  return parameterError(
    `a run as of the past is asked for by a position (TOPIC@PARTITION:OFFSET,…), not "${text.slice(0, 100)}": as of generations and times there is nothing to compute`,
  );
}
