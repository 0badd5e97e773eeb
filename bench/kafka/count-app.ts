import { flight } from "../../examples/flights/app.ts";
import { count, defineApp, defineEvent, defineView, tumbling } from "../../views/index.ts";

/** Flights in a topic of their own. */
export const counted = defineEvent({
  name: "bench.flight.landed",
  schema: flight.schema,
  key: (f) => f.origin,
  partitions: flight.partitions,
});

export const perKeyAndHour = defineView({
  name: "per-key-and-hour",
  from: counted,
  by: (f) => ({ origin: f.origin, hour: tumbling("1h") }),
  measures: () => ({ flights: count() }),
});

/** What `bench/kafka-streams` computes, and nothing else. */
export default defineApp({ name: "bench-count", views: [perKeyAndHour], batch: { schedule: null } });
