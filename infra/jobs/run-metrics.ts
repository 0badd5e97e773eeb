import { Histogram } from "prom-client";
import type { Metrics } from "../metrics.ts";
import type { RunHandler } from "./jobs.ts";

/** Gives what counts the runs that a handler performs in this process; of what another performs that one tells. */
export function measureRuns(metrics: Metrics): (handler: RunHandler) => RunHandler {
  const duration = new Histogram({
    name: "tidemark_run_duration_seconds",
    help: "How long batch runs took in this process, by how they ended.",
    labelNames: ["outcome"],
    buckets: [1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200],
    registers: [metrics.registry],
  });
  const records = metrics.counter("tidemark_run_records_total", "Records that batch runs computed over.");
  let succeededAtMs: number | undefined;
  metrics.gauge(
    "tidemark_run_last_success_timestamp_seconds",
    "When a batch run last succeeded in this process.",
    [],
    (note) => succeededAtMs !== undefined && note(succeededAtMs / 1000),
  );
  return (handler) => async (run, report, signal) => {
    const took = duration.startTimer();
    try {
      const result = await handler(run, report, signal);
      took({ outcome: "succeeded" });
      records.inc(result.records);
      succeededAtMs = Date.now();
      return result;
    } catch (error) {
      took({ outcome: signal.aborted ? "cancelled" : "failed" });
      throw error;
    }
  };
}
