import cors from "@fastify/cors";
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyRequest,
  type FastifyServerOptions,
  LogController,
} from "fastify";
import type { Logger } from "pino";
import { type ErrorCode, type Offer, TidemarkError } from "../views/errors.ts";
import { auditOperations } from "./access/audit.ts";
import { type GuardParts, guard } from "./access/guard.ts";
import { registerDrain } from "./drain.ts";
import { registerMetrics } from "./metrics.ts";
import { registerOpenApi } from "./openapi/document.ts";
import type { Tracing } from "./tracing.ts";

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly offer?: Offer;
}

/** RFC 9457 problem document of an error; what nobody foresaw is TIDEMARK_INTERNAL without its text. */
export function problemOf(error: unknown): Problem {
  const known =
    error instanceof TidemarkError
      ? error
      : isClientError(error)
        ? new TidemarkError(
            error.statusCode === 413 ? "TIDEMARK_INGEST_BODY_TOO_LARGE" : "TIDEMARK_REQUEST",
            error.message,
          )
        : new TidemarkError(
            "TIDEMARK_INTERNAL",
            "something went wrong inside; the server's log has it under this request's id",
          );
  return {
    type: `urn:tidemark:error:${known.code}`,
    title: known.code.replace("TIDEMARK_", "").toLowerCase().replaceAll("_", " "),
    status: isClientError(error) ? error.statusCode : known.status,
    code: known.code,
    detail: known.message,
    ...(known.offer && { offer: known.offer }),
  };
}

function isClientError(error: unknown): error is FastifyError & { readonly statusCode: number } {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === "number" && status >= 400 && status < 500;
}

export interface ServerOptions extends FastifyServerOptions, GuardParts {
  /** Whose pages may ask from a browser, such as https://shop.example; none: no other's. */
  readonly origins?: readonly string[];
  /** Told of every operation: who asked for what, and how it ended. */
  readonly audit?: Logger;
  readonly tracing?: Tracing | undefined;
}

declare module "fastify" {
  interface FastifyRequest {
    /** What it was refused for, or failed by. */
    failure: ErrorCode | undefined;
  }
}

/** Answers are data for programs: no browser is to show one as a page, frame it, or guess what else it could be. */
const secureHeaders = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
};

/** A Fastify server whose every error is a problem document. Layers add their routes to it. */
export function createServer(options: ServerOptions): FastifyInstance {
  const { keys, policy, tokens, now, origins = [], audit, tracing, ...fastifyOptions } = options;
  const server = Fastify({
    requestIdHeader: false,
    genReqId: requestIds(),
    routerOptions: {
      // As long as a partition key may be, every character of it escaped.
      maxParamLength: 12 * 1024,
      // Most routes read it by themselves; see `queryOf`.
      querystringParser: () => ({}),
    },
    // A line per request would cost more than a point query does; errors are logged below.
    logController: new LogController({ disableRequestLogging: true }),
    ...fastifyOptions,
  });
  // Nor has a request a logger of its own: few log anything, and making one is 2 % of a point query.
  server.setChildLoggerFactory((logger) => logger);
  server.decorateRequest("failure", undefined);
  server.decorateRequest("traceparent", undefined);
  tracing?.requests(server);
  server.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    request.failure = problem.code;
    if (problem.status >= 500) server.log.error({ reqId: request.id, err: error }, problem.title);
    if (problem.status === 401) reply.header("www-authenticate", challengeOf(problem));
    if (error instanceof TidemarkError && error.canRetry && !reply.hasHeader("retry-after")) {
      reply.header("retry-after", "1");
    }
    reply.header("x-request-id", request.id);
    return reply.code(problem.status).type("application/problem+json").send(problem);
  });
  server.addHook("onRequest", (_request, reply, done) => {
    reply.headers(secureHeaders);
    done();
  });
  answerTogether(server);
  registerDrain(server);
  const guarded = {
    ...(keys && { keys }),
    ...(policy && { policy }),
    ...(tokens && { tokens }),
    ...(now && { now }),
  };
  // A browser asks beforehand without any key, and has to be let read why it was refused.
  if (origins.length > 0) server.register(cors, corsOptions(origins)).after(() => guard(server, guarded));
  else guard(server, guarded);
  if (audit !== undefined) auditOperations(server, audit);
  registerOpenApi(server);
  registerMetrics(server);
  server.setNotFoundHandler((request, reply) => {
    const problem = problemOf(
      new TidemarkError(
        "TIDEMARK_ROUTE_UNKNOWN",
        `there is no ${request.method} ${request.url.split("?", 1)[0]}`,
      ),
    );
    reply.header("x-request-id", request.id);
    return reply.code(problem.status).type("application/problem+json").send(problem);
  });
  return server;
}

/**
 * Answers that are ready go out once all requests that have come are read: each wakes whoever waits for it, which costs more than
 * making a small one, and those that follow find them awake.
 */
function answerTogether(server: FastifyInstance): void {
  server.addHook("onSend", (_request, _reply, _payload, done) => void setImmediate(done));
}

function challengeOf({ code }: Problem): string {
  return code === "TIDEMARK_AUTH_TOKEN" ? 'Bearer error="invalid_token"' : "Bearer";
}

/** The client's own where it is short and plain, since it stands in logs; else one of ours. */
function requestIds(): (request: { readonly headers: FastifyRequest["headers"] }) => string {
  let count = 0;
  return ({ headers: { "x-request-id": given } }) =>
    typeof given === "string" && /^[\w.:-]{1,100}$/.test(given) ? given : `${process.pid}-${++count}`;
}

function corsOptions(origins: readonly string[]) {
  return {
    origin: [...origins],
    methods: ["GET", "HEAD", "POST", "DELETE"],
    allowedHeaders: [
      "authorization",
      "content-type",
      "if-none-match",
      "last-event-id",
      "traceparent",
      "x-request-id",
    ],
    exposedHeaders: [
      "etag",
      "location",
      "retry-after",
      "tidemark-cursor",
      "tidemark-provenance",
      "x-request-id",
    ],
    maxAge: 600,
  };
}

/** Reads origins apart by commas. Throws TIDEMARK_CONFIG. */
export function readOrigins(text: string, variable: string): readonly string[] {
  const origins = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  for (const origin of origins) {
    if (URL.canParse(origin) && new URL(origin).origin === origin) continue;
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `${variable} has "${origin.slice(0, 100)}", which is no origin: give SCHEME://HOST[:PORT], such as https://shop.example`,
    );
  }
  return origins;
}
