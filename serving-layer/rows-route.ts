import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import Negotiator from "negotiator";
import { leaseOf, sightOf } from "../infra/access/guard.ts";
import type { Jobs } from "../infra/jobs/jobs.ts";
import { searchOf } from "../infra/query-string.ts";
import { TidemarkError } from "../views/errors.ts";
import type { Answer } from "./answer.ts";
import { saysProgress } from "./building.ts";
import type { Clock } from "./clock.ts";
import type { Format } from "./format.ts";
import type { LiveQueries } from "./live/live-queries.ts";
import { mayBeLive, readLive } from "./live/parameters.ts";
import type { Asker, Queries } from "./query.ts";

interface RowsRoute {
  readonly Params: { readonly view: string };
}

/** Rows of a view, in the format of `format` or `Accept`; 304 for who has them already; with `live=true` as they change. */
export function registerRowsRoute(
  server: FastifyInstance,
  queries: Queries,
  live: LiveQueries,
  clock: Clock,
  jobs: Jobs,
): void {
  server.addHook("preClose", async () => live.endAll());
  const options = { config: { keepsToSight: true }, errorHandler: saysProgress(jobs) } as const;
  server.get<RowsRoute>("/v1/views/:view/rows", options, (request, reply) => {
    const { params, headers } = request;
    const sight = sightOf(request);
    let asked = searchOf(request);
    if (mayBeLive(asked)) {
      const view = queries.view(params.view, sight);
      const { search, everyMs } = readLive(view, asked, live.limits.leastEveryMs);
      if (everyMs !== undefined && request.method === "GET") {
        const question = { name: params.view, view, search, everyMs, sight };
        return live.follow(
          question,
          { lastId: headers["last-event-id"]?.toString(), leaseMs: leaseOf(request) },
          reply,
        );
      }
      asked = search;
    }
    const search = withFormat(asked, headers.accept);
    const asker = new RequestAsker(request);
    const answer = queries.rowsAtOnce(params.view, search, sight);
    if (answer !== undefined) return send(reply, answer, asker, clock);
    return queries.rows(params.view, search, sight, asker).then((later) => send(reply, later, asker, clock));
  });
}

class RequestAsker implements Asker {
  readonly #raw: FastifyRequest["raw"];

  constructor({ raw }: Pick<FastifyRequest, "raw">) {
    this.#raw = raw;
  }

  isGone(): boolean {
    return this.#raw.socket.destroyed;
  }

  isKnown(etag: string): boolean {
    const known = this.#raw.headers["if-none-match"];
    return known !== undefined && isOneOf(known, etag);
  }
}

const mediaTypes: Readonly<Record<string, Format>> = {
  "application/json": "json",
  "application/x-ndjson": "ndjson",
  "application/ndjson": "ndjson",
  "text/csv": "csv",
};

/** The query with the format that `Accept` asks for, unless it names one itself. Throws TIDEMARK_QUERY_NOT_ACCEPTABLE. */
function withFormat(search: string, accept: string | undefined): string {
  if (accept === undefined || accept === "*/*" || accept === "application/json") return search;
  if (/(?:^|&)format=/.test(search)) return search;
  const [type = ""] = new Negotiator({ headers: { accept } }).mediaTypes(Object.keys(mediaTypes));
  const format = mediaTypes[type];
  if (format === "json") return search;
  if (format !== undefined) return `${search}${search === "" ? "" : "&"}format=${format}`;
  throw new TidemarkError(
    "TIDEMARK_QUERY_NOT_ACCEPTABLE",
    `rows can't be sent as "${accept.slice(0, 200)}": accept one of ${Object.keys(mediaTypes).join(", ")}`,
  );
}

/** Tags are compared weakly, as If-None-Match has it. */
function isOneOf(tags: string, etag: string): boolean {
  const opaque = (tag: string) => tag.trim().replace(/^W\//, "");
  return tags.trim() === "*" || tags.split(",").some((tag) => opaque(tag) === opaque(etag));
}

const contentTypes: Readonly<Record<Format, string>> = {
  json: "application/json; charset=utf-8",
  ndjson: "application/x-ndjson; charset=utf-8",
  csv: "text/csv; charset=utf-8; header=present",
  "csv-plain": "text/csv; charset=utf-8; header=present",
};

function send(reply: FastifyReply, answer: Answer, asker: Asker, clock: Clock): FastifyReply {
  const { etag } = answer;
  reply.header("vary", "accept, authorization, origin");
  if (etag === undefined) reply.header("cache-control", "no-store");
  else {
    // To be kept, and asked for again each time: what is new is in the tag.
    reply.header("cache-control", "private, no-cache").header("etag", etag);
    if (answer.kind === "unchanged" || asker.isKnown(etag)) return reply.code(304).send();
  }
  switch (answer.kind) {
    case "unchanged":
      return reply.code(304).send();
    case "json":
      return reply.header("content-type", contentTypes.json).send(answer.text);
    case "pieces":
      if (answer.cursor !== null) reply.header("tidemark-cursor", answer.cursor);
      return reply
        .header("content-type", contentTypes[answer.format])
        .header("tidemark-provenance", inAscii(answer.provenance))
        .send(patiently(answer.pieces, clock));
    default:
      return answer satisfies never;
  }
}

/** Rows are held for who takes some of them within so long. */
const patienceMs = 60_000;

/** Each piece once the one before it was taken. */
function patiently(pieces: Iterable<string>, clock: Clock): Readable {
  const iterator = pieces[Symbol.iterator]();
  let patience: Disposable | undefined;
  return new Readable({
    read() {
      patience?.[Symbol.dispose]();
      const { done, value } = iterator.next();
      this.push(done === true ? null : value);
      if (done === true) return;
      patience = clock.after(patienceMs, () =>
        this.destroy(new Error(`nothing of the answer was taken for ${patienceMs / 1_000} s`)),
      );
    },
    destroy(error, callback) {
      patience?.[Symbol.dispose]();
      callback(error);
    },
  });
}

/** JSON as a header may have it. */
function inAscii(json: string): string {
  return json.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
