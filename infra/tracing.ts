import type { Span, SpanContext } from "@opentelemetry/api";
import type { FastifyInstance } from "fastify";
import type { RunHandler } from "./jobs/jobs.ts";
import type { LogBatch } from "./log/log.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** By which what comes of this request names it as its cause (W3C Trace Context); undefined where it is not traced. */
    traceparent: string | undefined;
  }
}

type Attributes = Readonly<Record<string, string | number>>;

/** Traces what goes on in a process, for who set where they are to be sent to. */
export interface Tracing extends AsyncDisposable {
  /** Traces every request from now on. */
  requests(server: FastifyInstance): void;
  /** Does the work, which folds the batch, as a part of the requests that its records came by. */
  fold(batch: LogBatch, work: () => Promise<void>): Promise<void>;
  runs(handler: RunHandler): RunHandler;
}

/** How many requests one batch is told to be a part of. */
const maxCauses = 16;
/** Longest wait for what is still to be sent, at the end. */
const flushMs = 3_000;

/**
 * OpenTelemetry, by its own variables: where OTEL_EXPORTER_OTLP_ENDPOINT is set spans go there as OTLP over HTTP,
 * OTEL_TRACES_SAMPLER says which. Undefined without it; nothing is loaded then.
 */
export async function startTracing(
  environment: Readonly<Record<string, string | undefined>>,
  role: string,
): Promise<Tracing | undefined> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_SERVICE_NAME } = environment;
  if (!OTEL_EXPORTER_OTLP_ENDPOINT && !OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) return undefined;
  const [api, { BasicTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, resources] =
    await Promise.all([
      import("@opentelemetry/api"),
      import("@opentelemetry/sdk-trace-base"),
      import("@opentelemetry/exporter-trace-otlp-http"),
      import("@opentelemetry/resources"),
    ]);
  const named = { "service.name": OTEL_SERVICE_NAME ?? "tidemark", "tidemark.role": role };
  const provider = new BasicTracerProvider({
    resource: resources.defaultResource().merge(resources.resourceFromAttributes(named)),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  const tracer = provider.getTracer("tidemark");

  function start(
    name: string,
    kind: "SERVER" | "CONSUMER" | "INTERNAL",
    cause: SpanContext | undefined,
    attributes: Attributes,
  ): Span {
    const context =
      cause === undefined ? api.ROOT_CONTEXT : api.trace.setSpanContext(api.ROOT_CONTEXT, cause);
    return tracer.startSpan(name, { kind: api.SpanKind[kind], attributes }, context);
  }

  function end(span: Span, error?: unknown): void {
    if (error !== undefined) span.setStatus({ code: api.SpanStatusCode.ERROR, message: String(error) });
    span.end();
  }

  return {
    requests(server) {
      const spans = new WeakMap<object, Span>();
      server.addHook("onRequest", (request, _reply, done) => {
        const { method, headers, routeOptions } = request;
        const route = routeOptions.url ?? "none";
        const attributes = {
          "http.request.method": method,
          "http.route": route,
          "tidemark.request": request.id,
        };
        const cause = parseTraceparent(headers.traceparent);
        const { tracestate } = headers;
        const state =
          cause !== undefined && typeof tracestate === "string"
            ? { traceState: api.createTraceState(tracestate) }
            : {};
        const span = start(`${method} ${route}`, "SERVER", cause && { ...cause, ...state }, attributes);
        spans.set(request, span);
        request.traceparent = formatTraceparent(span.spanContext());
        done();
      });
      server.addHook("onResponse", (request, reply, done) => {
        const span = spans.get(request);
        span?.setAttribute("http.response.status_code", reply.statusCode);
        if (span !== undefined)
          end(span, reply.statusCode >= 500 ? (request.failure ?? reply.statusCode) : undefined);
        done();
      });
    },

    async fold(batch, work) {
      const { topic, partition, from, next } = batch;
      const attributes = {
        "messaging.system": "tidemark",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": String(partition),
        "tidemark.from": from,
        "tidemark.next": next,
      };
      const spans = causesOf(batch).map((cause) => start(`fold ${topic}`, "CONSUMER", cause, attributes));
      try {
        await work();
        for (const span of spans) end(span);
      } catch (error) {
        for (const span of spans) end(span, error);
        throw error;
      }
    },

    runs: (handler) => async (run, report, signal) => {
      const attributes = { "tidemark.run": run.id, "tidemark.requested_by": run.requestedBy };
      const whole = start("batch run", "INTERNAL", undefined, attributes);
      let step: { readonly name: string; readonly span: Span } | undefined;
      const enter = (name: string | undefined) => {
        if (name === step?.name) return;
        if (step !== undefined) end(step.span);
        step =
          name === undefined ? undefined : { name, span: start(name, "INTERNAL", whole.spanContext(), {}) };
      };
      try {
        const result = await handler(
          run,
          (progress) => {
            enter([progress.step, progress.view ?? ""].join(" ").trimEnd());
            report(progress);
          },
          signal,
        );
        whole.setAttribute("tidemark.records", result.records);
        enter(undefined);
        end(whole);
        return result;
      } catch (error) {
        enter(undefined);
        end(whole, error);
        throw error;
      }
    },

    async [Symbol.asyncDispose]() {
      const late = new Promise<void>((resolve) => void setTimeout(resolve, flushMs).unref());
      // What can't be sent is lost, which must not keep a process from ending.
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}

function causesOf({ records }: LogBatch): readonly SpanContext[] {
  const causes = new Set<string>();
  for (const { headers } of records) {
    const text = headers?.traceparent;
    if (text !== undefined) causes.add(Buffer.from(text).toString("latin1"));
    if (causes.size === maxCauses) break;
  }
  return [...causes].flatMap((text) => parseTraceparent(text) ?? []);
}

const none = /^0+$/;

/** https://www.w3.org/TR/trace-context/#traceparent-header; what is none counts as not given. */
export function parseTraceparent(text: unknown): SpanContext | undefined {
  const [, version, traceId = "", spanId = "", flags = "", more = ""] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(String(text)) ?? [];
  const isValid = version !== undefined && version !== "ff" && (version !== "00" || more === "");
  if (!isValid || none.test(traceId) || none.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
}

/** Undefined for a span that nobody gets to see. */
function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string | undefined {
  return (traceFlags & 1) === 0 ? undefined : `00-${traceId}-${spanId}-01`;
}
