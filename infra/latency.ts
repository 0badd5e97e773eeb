import type { FastifyInstance } from "fastify";
import type { Histogram, Registry } from "prom-client";

/** Upper bounds in seconds. */
const bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

const name = "tidemark_http_request_duration_seconds";
const help = "Time from a request's arrival until its answer begins, by route.";

/**
 * How long answers took, by route, method and status. Counted in plain arrays, of which a scrape makes a histogram: one of
 * prom-client takes 7 µs for each observation, more than the rest of a request's hooks.
 */
class RouteLatency {
  readonly #labels: Readonly<Record<string, string>>;
  readonly #byStatus = new Map<number, { readonly counts: number[]; sum: number }>();

  constructor(labels: Readonly<Record<string, string>>) {
    this.#labels = labels;
  }

  observe(status: number, seconds: number): void {
    let seen = this.#byStatus.get(status);
    if (seen === undefined) {
      seen = { counts: Array(bounds.length + 1).fill(0), sum: 0 };
      this.#byStatus.set(status, seen);
    }
    let at = 0;
    while (seconds > (bounds[at] ?? Number.POSITIVE_INFINITY)) at++;
    seen.counts[at] = (seen.counts[at] ?? 0) + 1;
    seen.sum += seconds;
  }

  *values() {
    for (const [status, { counts, sum }] of this.#byStatus) {
      const labels = { ...this.#labels, status };
      let count = 0;
      for (const [i, more] of counts.entries()) {
        count += more;
        yield { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[i] ?? "+Inf" }, value: count };
      }
      yield { metricName: `${name}_sum`, labels, value: sum };
      yield { metricName: `${name}_count`, labels, value: count };
    }
  }
}

/**
 * Measures every route that is added after this. An answer that a route takes over itself, such as a stream of events, is
 * none that ends, and is not counted.
 */
export function measureLatency(server: FastifyInstance, registry: Registry): void {
  const routes: RouteLatency[] = [];
  const described = { name, help, type: "histogram", aggregator: "sum" };
  const get = async () => ({ ...described, values: routes.flatMap((route) => [...route.values()]) });
  // The registry asks no more of a metric than that.
  registry.registerMetric({ ...described, get } as unknown as Histogram);
  server.addHook("onRoute", (route) => {
    const latency = new RouteLatency({ method: [route.method].flat().join(","), route: route.url });
    routes.push(latency);
    route.onSend = [
      (_request, reply, _payload, done) => {
        latency.observe(reply.statusCode, reply.elapsedTime / 1000);
        done();
      },
      ...[route.onSend ?? []].flat(),
    ];
  });
}
