import type { FastifyInstance, FastifyReply } from "fastify";
import { sightOf } from "../infra/access/guard.ts";
import type { Access } from "../infra/access/rights.ts";
import type { ErasuresFolder } from "../infra/erasures/erasures-folder.ts";
import type { Generations, Manifest } from "../infra/generations/generations.ts";
import type { Jobs } from "../infra/jobs/jobs.ts";
import { searchOf } from "../infra/query-string.ts";
import type { VersionPointer } from "../infra/versions/version-pointer.ts";
import { TidemarkError } from "../views/errors.ts";
import { isRecomputed, notRecomputed } from "../views/layers.ts";
import { exactName } from "../views/version.ts";
import type { View } from "../views/view.ts";
import { saysProgress } from "./building.ts";
import { describeGeneration, describeView } from "./describe.ts";
import type { Queries } from "./query.ts";
import type { Snapshots } from "./snapshot.ts";
import type { Versions } from "./versions.ts";

interface ViewRoute {
  readonly Params: { readonly view: string };
}

interface GenerationRoute {
  readonly Params: { readonly view: string; readonly id: string };
}

export interface ViewRouteParts {
  readonly generations: Generations;
  readonly snapshots: Snapshots;
  readonly queries: Queries;
  readonly versions: Versions;
  readonly jobs: Jobs;
  readonly erasures: Pick<ErasuresFolder, "list"> | undefined;
}

/** Views, comparisons and generations. */
export function registerViewRoutes(server: FastifyInstance, parts: ViewRouteParts): void {
  const { generations, snapshots, queries, versions, jobs } = parts;

  const config = { keepsToSight: true } as const;
  const errorHandler = saysProgress(jobs);

  server.get("/v1/views", { config }, (request) => ({
    views: queries.views(sightOf(request)).map((view) => describeView(view, versions)),
  }));

  server.get<ViewRoute>("/v1/views/:view", { config }, async (request) => {
    const sight = sightOf(request);
    const view = queries.view(request.params.view, sight);
    const serving = snapshots.batch(view)?.reader.manifest.id;
    const declared = queries.views(sight).filter(({ family }) => family === view.family);
    // What generations count, they count of all rows.
    const manifests = sight.rowFilter.size > 0 ? [] : await generations.list(view.name);
    return {
      ...describeView(view, versions),
      versions: await Promise.all(declared.map((each) => describeVersion(parts, each))),
      /** Where a rollback leads. */
      former: versions.former(view),
      flipped: describeFlip(versions.flipped(view)),
      mayFlip: mayFlip(request.access),
      generations: manifests.map((manifest) => ({
        ...describeGeneration(manifest),
        isServing: manifest.id === serving,
      })),
    };
  });

  server.get<ViewRoute>("/v1/views/:view/compare", { config, errorHandler }, async (request, reply) =>
    sendJson(
      reply,
      await queries.compare(
        request.params.view,
        searchOf(request),
        sightOf(request),
        () => request.raw.socket.destroyed,
      ),
    ),
  );

  server.post<GenerationRoute>("/v1/views/:view/generations/:id/activate", async ({ params }) => {
    const view = queries.view(params.view);
    if (!isRecomputed(view)) throw notRecomputed(view, "none can be made to serve");
    const manifest = await findGeneration(parts, view, params.id);
    await generations.point(view.name, manifest.id);
    return { view: view.name, ...describeGeneration(manifest) };
  });
}

async function describeVersion({ snapshots, versions }: ViewRouteParts, view: View) {
  return {
    ...{ version: view.version, view: exactName(view) },
    isActive: versions.isActive(view),
    isBuilding: snapshots.isBuilding(view),
    /** Of one that is to be flipped to by policy, why that has not happened. */
    held: await versions.held(view),
  };
}

/** How it came that the active version is; null: nothing was flipped. */
function describeFlip(pointer: VersionPointer | undefined) {
  return pointer === undefined ? null : { at: pointer.at, by: pointer.by, why: pointer.why };
}

/** Whoever may not see everything may not change what others see. */
function mayFlip(access: Access | undefined): boolean {
  return access === undefined || (access.permissions.has("operate") && access.scope === "");
}

/** Only generations of the view as it is declared now can serve. */
async function findGeneration(
  { generations, erasures }: Pick<ViewRouteParts, "generations" | "erasures">,
  view: View,
  id: string,
): Promise<Manifest> {
  const manifests = await generations.list(view.name);
  const manifest = manifests.find((candidate) => candidate.id === id);
  if (manifest?.fingerprint === view.fingerprint) return manifest;
  const usable = manifests.filter(({ fingerprint }) => fingerprint === view.fingerprint).map((m) => m.id);
  const [erased] = ((await erasures?.list()) ?? []).filter(({ generations }) =>
    Object.hasOwn(generations ?? {}, view.name),
  );
  const which = erased?.before == null ? "" : `, those of ${erased.type} from before ${erased.before}`;
  const gone =
    erased === undefined
      ? "does not exist"
      : `does not exist: those from before ${erased.doneAt} went when facts were erased (${erased.id}${which})`;
  const reason = manifest === undefined ? gone : "was made from another declaration of the view";
  throw new TidemarkError(
    "TIDEMARK_GENERATION_UNKNOWN",
    `generation "${id.slice(0, 100)}" of view "${view.name}" ${reason}; there are ${usable.join(", ") || "none"}`,
  );
}

function sendJson(reply: FastifyReply, text: string): FastifyReply {
  return reply.header("content-type", "application/json; charset=utf-8").send(text);
}
