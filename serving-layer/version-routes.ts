import type { FastifyInstance } from "fastify";
import type { Generations } from "../infra/generations/generations.ts";
import type { Jobs } from "../infra/jobs/jobs.ts";
import { readListQuery, readWhole } from "../infra/list-query.ts";
import { TidemarkError } from "../views/errors.ts";
import { greatestVersion } from "../views/version.ts";
import type { View } from "../views/view.ts";
import { saysProgress } from "./building.ts";
import { type Clock, Turns } from "./clock.ts";
import type { Queries } from "./query.ts";
import type { Snapshots } from "./snapshot.ts";
import { diffVersions } from "./version-diff.ts";
import type { Versions } from "./versions.ts";

interface ViewRoute {
  readonly Params: { readonly view: string };
}

export interface VersionRouteParts {
  readonly generations: Generations;
  readonly snapshots: Snapshots;
  readonly queries: Queries;
  readonly versions: Versions;
  readonly jobs: Jobs;
  readonly clock: Clock;
}

const mostRows = 10_000;

/** Versions of a view: which is active, and what differs between two. */
export function registerVersionRoutes(server: FastifyInstance, parts: VersionRouteParts): void {
  const { generations, queries, versions, jobs, clock } = parts;
  const errorHandler = saysProgress(jobs);

  server.post<ViewRoute>("/v1/views/:view/active", { errorHandler }, async ({ params, body }) => {
    const view = queries.view(params.view);
    return activate(parts, versions.version(view, readVersion(body)));
  });

  server.post<ViewRoute>("/v1/views/:view/rollback", { errorHandler }, async ({ params, body }) => {
    requireNoBody(body);
    return activate(parts, versions.before(queries.view(params.view)));
  });

  server.get<ViewRoute>("/v1/views/:view/diff", { errorHandler }, async (request) => {
    const { params, raw } = request;
    const { from, to, limit } = readListQuery(request, ["from", "to", "limit"], {
      limit: 20,
      maxLimit: mostRows,
    });
    const view = queries.view(params.view);
    const named = (name: string, text: string | undefined) =>
      text === undefined ? undefined : versions.version(view, readWhole(name, text, 1, greatestVersion));
    const pair = pairOf(versions, view, named("from", from), named("to", to));
    const turns = new Turns(clock, () => raw.socket.destroyed);
    return {
      ...(await diffVersions({ generations, ...pair, limit }, turns)),
      held: await versions.held(pair.to),
    };
  });
}

/** Answers what was, and what is. Nothing is flipped to that could not answer here at once. */
async function activate({ snapshots, versions }: VersionRouteParts, view: View) {
  if (!versions.isActive(view)) {
    await snapshots.look(view);
    // Throw why it can't answer.
    snapshots.segments(snapshots.serving(view));
  }
  return { view: view.family, ...(await versions.activate(view)) };
}

/** What is not said: to the newest one; from the active one, or if it is that, from the one before it. */
function pairOf(versions: Versions, view: View, from: View | undefined, to: View | undefined) {
  const declared = versions.of(view);
  const others = (than: View | undefined) => declared.filter((each) => each !== than);
  const newer = to ?? others(from).at(-1);
  const older =
    from ??
    others(newer).find((each) => versions.isActive(each)) ??
    others(newer).findLast(({ version }) => version < (newer?.version ?? 0)) ??
    others(newer).at(-1);
  if (older !== undefined && newer !== undefined) return { from: older, to: newer };
  throw new TidemarkError(
    "TIDEMARK_VERSION_UNKNOWN",
    `the app declares one version of view "${view.family}", ${view.version}: there is nothing to hold it against; declare the next one beside it`,
  );
}

function readVersion(body: unknown): number {
  const given = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const { version, ...others } = given;
  const isVersion = Number.isInteger(version) && Object.keys(others).length === 0;
  if (isVersion && typeof version === "number") return version;
  throw new TidemarkError(
    "TIDEMARK_REQUEST",
    `which version is to be active is said by {"version": 2}, a whole number and nothing else`,
  );
}

function requireNoBody(body: unknown): void {
  if (body === undefined || body === null || JSON.stringify(body) === "{}") return;
  throw new TidemarkError(
    "TIDEMARK_REQUEST",
    `a rollback leads to the version before and takes no body; to name one, POST {"version": 2} to …/active`,
  );
}
