import type { FastifyInstance } from "fastify";
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { measureLatency } from "./latency.ts";

declare module "fastify" {
  interface FastifyInstance {
    /** What this process counts; whoever adds routes adds what is counted of them. */
    readonly metrics: Metrics;
  }
}

type Labels = Readonly<Record<string, string | number>>;

/** Hands on each value that there is now. */
type Collect = (note: (value: number, labels?: Labels) => void) => unknown;

/** After so long a scrape goes on without the gauges that wait for something. */
const patienceMs = 1_000;

/** The metrics of one process, by the conventions of Prometheus: base units, `_total` for what only rises. */
export class Metrics {
  readonly registry = new Registry();

  counter<Name extends string = never>(
    name: `tidemark_${string}_total`,
    help: string,
    labelNames: readonly Name[] = [],
  ): Counter<Name> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  /**
   * Values that are looked up when they are asked for. While `collect` fails, or takes more than a second, they are left
   * out of the answer: what is not known is not 0.
   */
  gauge<Name extends string = never>(
    name: `tidemark_${string}`,
    help: string,
    labelNames: readonly Name[],
    collect: Collect,
  ): void {
    new Gauge({
      ...{ name, help, labelNames, registers: [this.registry] },
      async collect() {
        await collectInto(this, labelNames, collect, (labels, value) => this.set(labels, value));
      },
    });
  }

  /** The same for counts that are kept elsewhere and only rise. */
  total<Name extends string = never>(
    name: `tidemark_${string}_total`,
    help: string,
    labelNames: readonly Name[],
    collect: Collect,
  ): void {
    new Counter({
      ...{ name, help, labelNames, registers: [this.registry] },
      async collect() {
        await collectInto(this, labelNames, collect, (labels, value) => this.inc(labels, value));
      },
    });
  }

  /** In the text format of Prometheus, with those of the process itself. */
  async text(): Promise<string> {
    return Registry.merge([this.registry, processMetrics()]).metrics();
  }
}

async function collectInto<Name extends string>(
  metric: Gauge<Name> | Counter<Name>,
  labelNames: readonly Name[],
  collect: Collect,
  put: (labels: Record<Name, string | number>, value: number) => void,
): Promise<void> {
  const noted: [number, Labels][] = [];
  const isKnown = await inTime(async () => collect((value, labels = {}) => noted.push([value, labels])));
  metric.reset();
  // Without labels a metric that is reset is 0.
  if (labelNames.length === 0) metric.remove();
  if (isKnown) for (const [value, labels] of noted) put(labels as Record<Name, string | number>, value);
}

async function inTime(work: () => Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, patienceMs, false).unref();
  });
  const done = work().then(
    () => true,
    () => false,
  );
  return Promise.race([done, late]).finally(() => clearTimeout(timer));
}

let ofProcess: Registry | undefined;

/** Memory, processor time, the event loop's delay: one process has one of each, whatever servers it has. */
function processMetrics(): Registry {
  if (ofProcess !== undefined) return ofProcess;
  ofProcess = new Registry();
  collectDefaultMetrics({ register: ofProcess });
  // Gauges by the name of counters: promtool refuses them.
  for (const what of ["handles", "requests", "resources"]) {
    ofProcess.removeSingleMetric(`nodejs_active_${what}_total`);
  }
  return ofProcess;
}

/** `GET /metrics`, and how long every route that is added after this takes. */
export function registerMetrics(server: FastifyInstance): void {
  const metrics = new Metrics();
  server.decorate("metrics", metrics);
  measureLatency(server, metrics.registry);
  server.openApi.describe({
    "GET /metrics": {
      summary: "What this process counts",
      responses: {
        200: { description: "Text of Prometheus", type: "text/plain", schema: { type: "string" } },
      },
    },
  });
  server.get("/metrics", { config: { permission: "metrics" } }, async (_request, reply) =>
    reply.header("content-type", metrics.registry.contentType).send(await metrics.text()),
  );
}
