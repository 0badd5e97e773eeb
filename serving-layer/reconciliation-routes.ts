import type { FastifyInstance } from "fastify";
import type { Generations } from "../infra/generations/generations.ts";
import type { Jobs, ReconciledView, Run } from "../infra/jobs/jobs.ts";
import { readListQuery } from "../infra/list-query.ts";
import type { App } from "../views/app.ts";
import { formatCut } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { isRecomputed, notRecomputed } from "../views/layers.ts";
import type { Queries } from "./query.ts";
import { readRunRequest } from "./run-request.ts";

export interface ReconciliationParts {
  readonly app: App;
  readonly generations: Generations;
  readonly jobs: Jobs;
  readonly queries: Queries;
}

/** One view, held at a cut against what was being served there. */
export interface ReconciliationEntry extends ReconciledView {
  readonly run: string;
  readonly kind: Run["kind"];
}

const mostRuns = 1_000;
const names = ["view", "generation", "kind", "drifting", "limit", "cursor"] as const;

/** What came of holding batch against speed: the history, and a check of this moment. */
export function registerReconciliationRoutes(server: FastifyInstance, parts: ReconciliationParts): void {
  const { queries, jobs } = parts;

  server.get("/v1/reconciliations", async (request) => {
    const query = readListQuery(request, names, { limit: 100, maxLimit: 10_000 });
    const view = query.view === undefined ? undefined : queries.view(query.view).name;
    const kind = readChoice("kind", query.kind, ["batch", "check"]);
    const drifting = readChoice("drifting", query.drifting, ["true", "false"]);
    const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
    const matching = (await history(parts)).filter(
      (entry) =>
        (view === undefined || entry.view === view) &&
        (query.generation === undefined || entry.generation === query.generation) &&
        (kind === undefined || entry.kind === kind) &&
        (drifting === undefined || isDrifting(entry) === (drifting === "true")) &&
        (after === undefined || compareText(placeOf(entry), after) < 0),
    );
    const page = matching.slice(0, query.limit);
    const last = page.at(-1);
    const hasMore = matching.length > page.length && last !== undefined;
    return { reconciliations: page, cursor: hasMore ? encodeCursor(placeOf(last)) : null };
  });

  server.post("/v1/reconciliations", async ({ body }, reply) => {
    const { ifBusy, view: name } = readRunRequest(body, "a check", { texts: ["view"] });
    const named = name === undefined ? undefined : queries.view(name);
    if (named !== undefined && !isRecomputed(named)) throw notRecomputed(named, "there is nothing to check");
    const view = named?.name ?? null;
    const run = await jobs.submit({ requestedBy: "http", ifBusy, kind: "check", view });
    return reply.code(202).header("location", `/v1/batch/runs/${run.id}`).send(run);
  });
}

/** Newest first: what the runs found that are remembered, and what is kept with the generations of older ones. */
async function history({
  app,
  generations,
  jobs,
}: ReconciliationParts): Promise<readonly ReconciliationEntry[]> {
  // Without the queue there is what is kept with the generations.
  const runs = (await jobs.obstacle()) === undefined ? await jobs.list(mostRuns) : [];
  const entries = runs.flatMap(({ id, kind, result }) =>
    (result?.reconciliations ?? []).map((found): ReconciliationEntry => ({ ...found, run: id, kind })),
  );
  const known = new Set(entries.map(({ generation }) => generation));
  const manifests = await Promise.all(app.views.map(({ name }) => generations.list(name)));
  for (const { view, id, run, createdAt, cut, reconciliation } of manifests.flat()) {
    if (known.has(id)) continue;
    const found = { view, generation: id, createdAt, cut: formatCut(cut), reconciliation };
    entries.push({ ...found, run, kind: "batch" });
  }
  return entries.sort((a, b) => compareText(placeOf(b), placeOf(a)));
}

function isDrifting({ reconciliation }: ReconciliationEntry): boolean {
  return reconciliation.kind === "compared" && reconciliation.differing > 0;
}

/** Rises with time; no two entries have the same. */
function placeOf({ createdAt, run, view, generation }: ReconciliationEntry): string {
  return `${createdAt} ${run} ${generation ?? ""} ${view}`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function encodeCursor(place: string): string {
  return Buffer.from(place).toString("base64url");
}

function decodeCursor(cursor: string): string {
  const place = Buffer.from(cursor, "base64url").toString();
  if (/^\d{4}-\d\d-\d\dT\S+ \S+ \S* \S+$/.test(place)) return place;
  throw new TidemarkError("TIDEMARK_QUERY_CURSOR", `"${cursor.slice(0, 100)}" is no cursor of this list`);
}

function readChoice<C extends string>(
  name: string,
  text: string | undefined,
  choices: readonly C[],
): C | undefined {
  const choice = choices.find((candidate) => candidate === text);
  if (text === undefined || choice !== undefined) return choice;
  throw new TidemarkError(
    "TIDEMARK_QUERY_PARAMETER",
    `${name}="${text.slice(0, 100)}": give one of ${choices.join(", ")}`,
  );
}
