import { once } from "node:events";
import { createServer as createHttpServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createServer } from "../../infra/http.ts";
import type { Run } from "../../infra/jobs/jobs.ts";
import type { LogBatch } from "../../infra/log/log.ts";
import { parseTraceparent, startTracing, type Tracing } from "../../infra/tracing.ts";
import { GatewayFixture, orderText, places } from "../ingestion/gateway-fixture.ts";

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
  readonly status: { readonly code?: number };
}

/** What a collector of OTLP over HTTP is, and no more. */
let collector: Server;
const received: { readonly service: unknown; readonly span: Span }[] = [];
let tracing: Tracing;

beforeAll(async () => {
  collector = createHttpServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString());
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = Object.fromEntries(
        resource.attributes.map(({ key, value }: Span["attributes"][number]) => [key, value.stringValue]),
      );
      for (const { spans } of scopeSpans) for (const span of spans) received.push({ service, span });
    }
    response.setHeader("content-type", "application/json").end("{}");
  });
  collector.listen(0, "127.0.0.1");
  await once(collector, "listening");
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  const started = await startTracing(process.env, "serving");
  if (started === undefined) throw new Error("nothing was started");
  tracing = started;
});

afterAll(async () => {
  delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
  collector.closeAllConnections();
  collector.close();
});

const traceId = "0af7651916cd43dd8448eb211c80319c";
const cause = `00-${traceId}-b7ad6b7169203331-01`;

test("a request, the fold of its records and a run arrive at the collector, each under what caused it", async () => {
  const server = createServer({ tracing });
  let sent: string | undefined;
  server.post("/v1/events", (request, reply) => {
    sent = request.traceparent;
    return reply.code(202).send({});
  });
  server.get("/fails", () => {
    throw new Error("what nobody foresaw");
  });
  await server.inject({ method: "POST", url: "/v1/events", headers: { traceparent: cause } });
  await server.inject({ url: "/fails" });
  await server.close();
  const record = (traceparent: string | undefined) => ({
    ...{ key: null, value: new Uint8Array(), timestampMs: undefined },
    headers: traceparent === undefined ? undefined : { traceparent: Buffer.from(traceparent) },
  });
  const texts = [sent, undefined, sent, "no traceparent"];
  const batch = {
    ...{ topic: "shop.order.placed", partition: 1, from: 5, next: 9, end: 9 },
    records: texts.map((text, i) => ({ offset: 5 + i, ...record(text) })),
  };
  let isFolded = false;
  await tracing.fold(batch as unknown as LogBatch, async () => {
    isFolded = true;
  });
  expect(isFolded).toBe(true);
  const handler = tracing.runs(async (_run, report) => {
    report({ step: "seal", view: null, fraction: 0 });
    report({ step: "compute", view: "sales", fraction: 0.5 });
    report({ step: "compute", view: "sales", fraction: 0.6 });
    return { records: 9, generations: [], reconciliations: [] };
  });
  await handler({ id: "r-1", requestedBy: "http" } as Run, () => undefined, new AbortController().signal);
  await tracing[Symbol.asyncDispose]();

  const byName = new Map(received.map(({ span }) => [span.name, span]));
  expect([...byName.keys()].sort()).toEqual(
    ["GET /fails", "POST /v1/events", "batch run", "compute sales", "fold shop.order.placed", "seal"].sort(),
  );
  expect(received).toHaveLength(6);
  expect(received[0]?.service).toMatchObject({ "service.name": "tidemark", "tidemark.role": "serving" });
  const [request, fold] = [byName.get("POST /v1/events"), byName.get("fold shop.order.placed")];
  expect(request).toMatchObject({ traceId, parentSpanId: "b7ad6b7169203331" });
  expect(sent).toBe(`00-${traceId}-${request?.spanId}-01`);
  expect(fold).toMatchObject({ traceId, parentSpanId: request?.spanId });
  expect(byName.get("GET /fails")?.status.code).toBe(2);
  for (const step of ["seal", "compute sales"]) {
    expect(byName.get(step)?.parentSpanId).toBe(byName.get("batch run")?.spanId);
  }
});

test("a request whose caller does not record its trace is not recorded here, nor are its records marked", async () => {
  const before = received.length;
  const again = await startTracing(process.env, "serving");
  const server = createServer({ tracing: again });
  let sent: string | undefined = "none yet";
  server.get("/", (request) => {
    sent = request.traceparent;
    return {};
  });
  await server.inject({ url: "/", headers: { traceparent: `00-${traceId}-b7ad6b7169203331-00` } });
  await server.close();
  await again?.[Symbol.asyncDispose]();
  expect(sent).toBeUndefined();
  expect(received).toHaveLength(before);
});

test.each(places)(
  "records of a traced request name it, taken %s; those of others do not",
  async (place) => {
    const again = await startTracing(process.env, "ingestion");
    const gateway = await GatewayFixture.open({ place, tracing: again });
    const json = { "content-type": "application/json" };
    await gateway.post(`[${orderText("1")},${orderText("2")}]`, { ...json, traceparent: cause });
    await gateway.post(orderText("3"), { ...json, traceparent: cause.replace(/01$/, "00") });
    const named = (await gateway.records()).map(({ headers }) => String(headers?.traceparent ?? "none"));
    const events = await gateway.events();
    await gateway.close();
    await again?.[Symbol.asyncDispose]();
    expect(events.map(({ id }) => id)).toEqual(["1", "2", "3"]);
    expect(named[0]).toMatch(new RegExp(`^00-${traceId}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`));
    expect(named).toEqual([named[0], named[0], "none"]);
  },
);

test("without an address to send to nothing is started", async () => {
  expect(await startTracing({}, "all")).toBeUndefined();
});

test.each([
  "",
  "00",
  `00-${traceId}-b7ad6b7169203331`,
  `ff-${traceId}-b7ad6b7169203331-01`,
  `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
  `00-${traceId}-${"0".repeat(16)}-01`,
  `00-${traceId}-b7ad6b7169203331-01-more`,
  cause.toUpperCase(),
])("%j is no traceparent", (text) => {
  expect(parseTraceparent(text)).toBeUndefined();
});
