import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { problemOf } from "../infra/http.ts";
import { queryOf } from "../infra/query-string.ts";
import { formatPosition } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { ClientGone, receiveBody } from "./body.ts";
import type { Completion } from "./completion.ts";
import { ingestionMetrics } from "./ingestion-metrics.ts";
import type { Outcome } from "./intake.ts";
import type { IngestionLimits } from "./limits.ts";
import { type Form, formOf } from "./media-type.ts";
import type { Pressure } from "./pressure.ts";
import type { Reception, RequestReception } from "./reception.ts";
import { systemTimer, type Timer } from "./timer.ts";
import { receiveWhole } from "./whole-body.ts";

export interface GatewayParts {
  readonly reception: Reception;
  /** What the reception holds as well. */
  readonly pressure: Pressure;
  readonly limits: IngestionLimits;
  readonly timer?: Timer;
}

/** Adds `POST /v1/events`, which answers once the events are durable. */
export function registerIngestion(server: FastifyInstance, parts: GatewayParts): void {
  const { reception, pressure, limits, timer = systemTimer } = parts;
  const counted = ingestionMetrics(server.metrics, pressure);

  async function receive(
    request: FastifyRequest,
    form: Form,
    received: RequestReception,
  ): Promise<"one" | "many"> {
    if (form !== "ndjson") {
      const body = await receiveWhole(request.raw, { limits, pressure, timer });
      counted.bytes.inc(body.length);
      return received.takeWhole(body, form, request.headers);
    }
    const push = (chunk: Buffer) => {
      pressure.requireDisk();
      counted.bytes.inc(chunk.length);
      return received.push(chunk);
    };
    await receiveBody(request.raw, limits, timer, push, received.failed);
    return "many";
  }

  async function ingest(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const form = formOf(request.headers);
    const terms = { ...sourceAndType(request), kind: kindOf(form), traceparent: request.traceparent };
    pressure.requireRoom();
    pressure.requireDisk();
    const received = reception.receive(terms);
    let failure: unknown;
    let count: "one" | "many" = "many";
    try {
      count = await receive(request, form, received);
    } catch (reason) {
      failure = reason;
    }
    const outcome = await received.finish(failure === undefined);
    counted.outcome(outcome);
    failure ??= outcome.failure;
    // Nobody is left to answer; what was appended stays.
    if (failure instanceof ClientGone) return reply.hijack();
    if (failure !== undefined && !(failure instanceof TidemarkError)) throw failure;
    return answer(reply, count, outcome, failure);
  }

  // A scope of its own, so that other routes keep their body parsers.
  server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _body, done) => done(null));
    // Fastify would answer a malformed content type in its own words.
    scope.addHook("onRequest", async (request) => void formOf(request.headers));
    scope.addHook("onResponse", async (request) => {
      if (request.raw.complete) return;
      // Closing now could reset the connection before the client has read the answer: let the rest flow away for a while.
      request.raw.resume();
      timer(limits.lingerMs, () => {
        if (!request.raw.complete) request.raw.destroy();
      });
    });
    scope.post("/v1/events", { config: { permission: "ingest", keepsToSight: true } }, ingest);
  });
}

function kindOf(form: Form): Completion["kind"] {
  return form === "json" || form === "ndjson" ? "plain" : "cloudevent";
}

function sourceAndType(request: FastifyRequest): Pick<Completion, "source" | "type"> {
  const { source = "/http", type, ...unknown } = queryOf(request);
  const [name] = Object.keys(unknown);
  if (name !== undefined) {
    throw new TidemarkError(
      "TIDEMARK_QUERY_PARAMETER_UNKNOWN",
      `there is no parameter "${name.slice(0, 100)}"; the parameters are source and type`,
    );
  }
  if (typeof source !== "string" || Array.isArray(type)) {
    throw new TidemarkError("TIDEMARK_QUERY_PARAMETER", "source and type can be given once each");
  }
  return { source, type };
}

function answer(
  reply: FastifyReply,
  count: "one" | "many",
  { accepted, rejected, rejectedCount, position }: Outcome,
  failure: TidemarkError | undefined,
): FastifyReply {
  const outcome = { accepted, rejected, rejectedCount, position: formatPosition(position) };
  const problem = failure ?? (accepted === 0 ? allRejected(count, outcome) : undefined);
  if (problem === undefined) return reply.code(202).send(outcome);
  if (problem.canRetry) reply.header("retry-after", "1");
  return reply
    .code(problem.status)
    .type("application/problem+json")
    .send({ ...problemOf(problem), ...outcome });
}

/** A single event is answered with its own error. */
function allRejected(
  count: "one" | "many",
  { rejected: [first], rejectedCount }: Pick<Outcome, "rejected" | "rejectedCount">,
): TidemarkError | undefined {
  if (first === undefined) return undefined;
  const { index, code, message } = first;
  if (count === "one") return new TidemarkError(code, message);
  return new TidemarkError(
    "TIDEMARK_INGEST_ALL_REJECTED",
    `none of the ${rejectedCount} events was accepted; the first, at index ${index}: ${message}`,
  );
}
