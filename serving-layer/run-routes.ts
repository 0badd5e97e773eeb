import type { FastifyInstance } from "fastify";
import type { Jobs, Run } from "../infra/jobs/jobs.ts";
import { readListQuery } from "../infra/list-query.ts";
import { TidemarkError } from "../views/errors.ts";
import { type PastRunParts, readPastRun } from "./as-of/past-run-request.ts";
import type { Clock } from "./clock.ts";
import { RunEvents } from "./run-events.ts";
import { readRunRequest } from "./run-request.ts";

interface RunRoute {
  readonly Params: { readonly id: string };
}

export interface RunRouteParts extends PastRunParts {
  readonly jobs: Jobs;
  readonly clock: Clock;
}

/** Batch runs: start, list, look at, follow, cancel. */
export function registerRunRoutes(server: FastifyInstance, parts: RunRouteParts): void {
  const { jobs, clock } = parts;
  const events = new RunEvents(jobs, clock);
  server.addHook("preClose", async () => events.endAll());

  server.post("/v1/batch/runs", async ({ body }, reply) => {
    const {
      ifBusy,
      full = false,
      asOf,
      views,
    } = readRunRequest(body, "a run", {
      ...{ flags: ["full"], texts: ["asOf"], lists: ["views"] },
    });
    if (views !== undefined && asOf === undefined) throw needsAsOf();
    const past = asOf === undefined ? {} : await readPastRun(parts, asOf, views);
    const run = await jobs.submit({ requestedBy: "http", ifBusy, full, ...past });
    return reply.code(202).header("location", `/v1/batch/runs/${run.id}`).send(run);
  });

  server.get("/v1/batch/runs", async (request) => {
    const { limit } = readListQuery(request, ["limit"], { limit: 20, maxLimit: 1_000 });
    return { runs: await jobs.list(limit) };
  });

  server.get<RunRoute>("/v1/batch/runs/:id", ({ params }) => findRun(jobs, params.id));

  server.delete<RunRoute>("/v1/batch/runs/:id", async ({ params }) => {
    await findRun(jobs, params.id);
    return jobs.cancel(params.id);
  });

  server.get<RunRoute>("/v1/batch/runs/:id/events", async ({ params }, reply) => {
    const run = await findRun(jobs, params.id);
    await events.stream(run, reply);
  });
}

async function findRun(jobs: Jobs, id: string): Promise<Run> {
  const run = await jobs.get(id);
  if (run !== undefined) return run;
  throw new TidemarkError(
    "TIDEMARK_RUN_UNKNOWN",
    `there is no batch run "${id.slice(0, 100)}"; GET /v1/batch/runs lists those that are remembered`,
  );
}

function needsAsOf(): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_REQUEST",
    "a run computes every view: views can be chosen only of a run as of the past, with asOf",
  );
}
