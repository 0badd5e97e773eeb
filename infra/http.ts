import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyServerOptions,
  LogController,
} from "fastify";
import { type ErrorCode, TidemarkError } from "../views/errors.ts";
import { type ApiKey, requireApiKeys } from "./access.ts";
import { registerMetrics } from "./metrics.ts";

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
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
  };
}

function isClientError(error: unknown): error is FastifyError & { readonly statusCode: number } {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === "number" && status >= 400 && status < 500;
}

export interface ServerOptions extends FastifyServerOptions {
  /** Whom it answers; none: everybody, as on an address that only this machine reaches. */
  readonly keys?: readonly ApiKey[];
}

/** A Fastify server whose every error is a problem document. Layers add their routes to it. */
export function createServer({ keys = [], ...options }: ServerOptions): FastifyInstance {
  const server = Fastify({
    requestIdHeader: "x-request-id",
    // A line per request would cost more than a point query does; errors are logged below.
    logController: new LogController({ disableRequestLogging: true }),
    ...options,
  });
  server.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    if (problem.status >= 500) request.log.error({ err: error }, problem.title);
    if (error instanceof TidemarkError && error.canRetry) reply.header("retry-after", "1");
    return reply.code(problem.status).type("application/problem+json").send(problem);
  });
  if (keys.length > 0) requireApiKeys(server, keys);
  registerMetrics(server);
  server.setNotFoundHandler((request, reply) => {
    const problem = problemOf(
      new TidemarkError(
        "TIDEMARK_ROUTE_UNKNOWN",
        `there is no ${request.method} ${request.url.split("?", 1)[0]}`,
      ),
    );
    return reply.code(problem.status).type("application/problem+json").send(problem);
  });
  return server;
}
