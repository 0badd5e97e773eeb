import type { Metrics } from "../infra/metrics.ts";
import type { Outcome } from "./intake.ts";
import type { Pressure } from "./pressure.ts";

/** What a gateway counts. */
export function ingestionMetrics(metrics: Metrics, pressure: Pressure) {
  const accepted = metrics.counter(
    "tidemark_ingest_events_total",
    "Events that were accepted: acknowledged, and durable in the log.",
  );
  const rejected = metrics.counter(
    "tidemark_ingest_rejected_events_total",
    "What was sent and is no event, by why; it is kept as dead letters.",
    ["code"],
  );
  metrics.gauge(
    "tidemark_ingest_pending_bytes",
    "Bytes that were taken in and wait for the log.",
    [],
    (note) => note(pressure.pendingBytes),
  );
  return {
    bytes: metrics.counter("tidemark_ingest_received_bytes_total", "Bytes of bodies that were taken in."),
    outcome({ accepted: count, rejectedByCode }: Pick<Outcome, "accepted" | "rejectedByCode">): void {
      accepted.inc(count);
      for (const [code, times] of Object.entries(rejectedByCode)) rejected.inc({ code }, times);
    },
  };
}
