import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { DeadLetters } from "../infra/dead-letters/dead-letters.ts";
import { problemOf } from "../infra/http.ts";
import type { Log } from "../infra/log/log.ts";
import type { App } from "../views/app.ts";
import { formatPosition } from "../views/cut.ts";
import { Decoder } from "../views/decoder.ts";
import { TidemarkError } from "../views/errors.ts";
import { ClientGone, receiveBody } from "./body.ts";
import type { Completion } from "./completion.ts";
import { Intake, letterBytes, type Outcome } from "./intake.ts";
import { KeyPartitions } from "./key-partitions.ts";
import { defaultLimits, type IngestionLimits } from "./limits.ts";
import { type Form, formOf } from "./media-type.ts";
import { LineReader } from "./ndjson.ts";
import { type Disk, Pressure } from "./pressure.ts";
import { systemTimer, type Timer } from "./timer.ts";
import { takeWholeBody } from "./whole-body.ts";

export interface IngestionParts {
  readonly app: App;
  readonly log: Log;
  readonly deadLetters: DeadLetters;
  /** Milliseconds since the epoch: the time of events that come without one. */
  readonly clock: () => number;
  /** The id of events that come without one. */
  readonly newId: () => string;
  readonly limits?: Partial<IngestionLimits>;
  readonly disk?: Disk;
  readonly timer?: Timer;
}

/** Adds `POST /v1/events`, which answers once the events are durable. */
export function registerIngestion(server: FastifyInstance, parts: IngestionParts): void {
  const { app, log, deadLetters, clock, newId, disk, timer = systemTimer } = parts;
  const limits = { ...defaultLimits, ...parts.limits };
  const pressure = new Pressure(limits, disk, clock);
  const { eventBytes } = limits;
  const intakeParts = {
    ...{ log, deadLetters, pressure, clock, eventBytes },
    decoder: new Decoder(app.events),
    partitions: new KeyPartitions(app.events),
  };

  async function receive(request: FastifyRequest, form: Form, intake: Intake): Promise<"one" | "many"> {
    if (form !== "ndjson") return takeWholeBody(request.raw, form, intake, { limits, pressure, timer });
    const lines = new LineReader(
      { lineBytes: eventBytes, keptBytes: letterBytes, skippedBytes: eventBytes * 64 },
      {
        line: (text, bytes, index) => intake.take(text, bytes, index),
        tooLong: (beginning, bytes, index) => intake.rejectTooLarge(beginning, bytes, index),
      },
    );
    await receiveBody(request.raw, limits, timer, (chunk) => {
      pressure.requireDisk();
      lines.push(chunk);
      // A chunk is what there is now: waiting for more would keep events from being seen.
      intake.send();
      return intake.ready();
    });
    lines.end();
    return "many";
  }

  async function ingest(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const form = formOf(request.headers);
    const completion = { ...sourceAndType(request.query), kind: kindOf(form), clock, newId };
    pressure.requireRoom();
    pressure.requireDisk();
    const intake = new Intake(intakeParts, completion);
    let failure: unknown;
    let count: "one" | "many" = "many";
    try {
      count = await receive(request, form, intake);
    } catch (reason) {
      failure = reason;
    }
    const outcome = await intake.finish();
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
    scope.post("/v1/events", ingest);
  });
}

function kindOf(form: Form): Completion["kind"] {
  return form === "json" || form === "ndjson" ? "plain" : "cloudevent";
}

function sourceAndType(query: unknown): Pick<Completion, "source" | "type"> {
  const { source = "/http", type, ...unknown } = query as Readonly<Record<string, unknown>>;
  const [name] = Object.keys(unknown);
  if (name !== undefined) {
    throw new TidemarkError(
      "TIDEMARK_QUERY_PARAMETER_UNKNOWN",
      `there is no parameter "${name.slice(0, 100)}"; the parameters are source and type`,
    );
  }
  if (typeof source !== "string" || (type !== undefined && typeof type !== "string")) {
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
