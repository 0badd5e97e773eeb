import type { Metrics } from "../metrics.ts";
import type { DeadLetters } from "./dead-letters.ts";

export function measureDeadLetters(metrics: Metrics, deadLetters: Pick<DeadLetters, "count">): void {
  metrics.gauge("tidemark_dead_letters", "Dead letters that are kept.", [], async (note) =>
    note(await deadLetters.count()),
  );
}
