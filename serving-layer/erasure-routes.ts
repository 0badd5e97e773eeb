import type { FastifyInstance } from "fastify";
import type { ErasuresFolder } from "../infra/erasures/erasures-folder.ts";
import type { Jobs } from "../infra/jobs/jobs.ts";
import { readListQuery } from "../infra/list-query.ts";
import type { App } from "../views/app.ts";
import type { Cut } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import type { Subject } from "../views/subject.ts";

export interface Erasures {
  readonly store: Pick<ErasuresFolder, "ask" | "list" | "get">;
  /** Event types that the folder has facts of and the app does not declare. */
  readonly undeclared: readonly string[];
  /** Gives where the log ends. Where it holds events encrypted, those of the subject have another key from there on. */
  readonly retire: (subject: Subject) => Promise<Cut>;
}

export interface ErasureRouteParts {
  readonly app: App;
  readonly jobs: Pick<Jobs, "submit">;
  /** Undefined: facts can't be erased here. */
  readonly erasures: Erasures | undefined;
}

/** Erasures: ask for one, and what became of them. Nothing that is logged or answered says whose facts they are of. */
export function registerErasureRoutes(server: FastifyInstance, parts: ErasureRouteParts): void {
  const { app, erasures } = parts;

  server.delete<{ readonly Params: { readonly key: string } }>(
    "/v1/subjects/:key",
    { config: { namesPerson: true } },
    async (request, reply) => {
      const { type } = readListQuery(request, ["type"], { limit: 1, maxLimit: 1 });
      const { key } = request.params;
      const subject = { key, type: type ?? null };
      const { store, undeclared, retire } = erasures ?? refuseHere();
      requireErasable(app, subject, undeclared);
      const erasure = await store.ask({ ...subject, bound: await retire(subject) });
      const run = await startRun(parts);
      return reply
        .code(202)
        .header("location", `/v1/erasures/${erasure.id}`)
        .send({ ...erasure, run });
    },
  );

  server.get("/v1/erasures", async (request) => {
    const { limit } = readListQuery(request, ["limit"], { limit: 100, maxLimit: 10_000 });
    return { erasures: ((await erasures?.store.list()) ?? []).slice(0, limit) };
  });

  server.get<{ readonly Params: { readonly id: string } }>("/v1/erasures/:id", async ({ params }) => {
    const erasure = await erasures?.store.get(params.id);
    if (erasure !== undefined) return erasure;
    throw new TidemarkError(
      "TIDEMARK_ERASURE_UNKNOWN",
      `there is no erasure "${params.id.slice(0, 100)}"; GET /v1/erasures lists them`,
    );
  });
}

function refuseHere(): never {
  throw new TidemarkError("TIDEMARK_ERASURE_REFUSED", "this server keeps no erasures: ask one that does");
}

/** Throws TIDEMARK_ERASURE_REFUSED for what could not be done whole. */
export function requireErasable(
  { events }: Pick<App, "events">,
  { key, type }: { readonly key: string; readonly type: string | null },
  undeclared: readonly string[],
): void {
  const refuse = (message: string) => {
    throw new TidemarkError("TIDEMARK_ERASURE_REFUSED", message);
  };
  if (key === "") refuse("whose facts are to be erased is said by a partition key, which is never empty");
  const names = events.map(({ name }) => name);
  if (type !== null && !names.includes(type)) {
    refuse(`there is no event type "${type.slice(0, 200)}"; there are ${names.join(", ")}`);
  }
  if (type === null && undeclared.length > 0) {
    refuse(
      `the folder has facts of ${undeclared.join(", ")}, which the app does not declare, so that theirs can't be found: declare it (events: […] of defineApp), or name one type that is declared`,
    );
  }
}

/** The erasure is kept already: where too many runs wait, one of them does it. */
async function startRun({ jobs }: ErasureRouteParts): Promise<string | null> {
  try {
    return (await jobs.submit({ requestedBy: "erasure", ifBusy: "wait" })).id;
  } catch (error) {
    if (error instanceof TidemarkError && error.code === "TIDEMARK_RUN_BUSY") return null;
    throw error;
  }
}
