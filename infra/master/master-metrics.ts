import type { Metrics } from "../metrics.ts";
import type { Master } from "./master.ts";

export function measureMaster(metrics: Metrics, master: Pick<Master, "cut">): void {
  metrics.gauge(
    "tidemark_master_next_offset",
    "Where the master dataset ends: the next offset that is not archived.",
    ["topic", "partition"],
    async (note) => {
      for (const [topic, nexts] of Object.entries(await master.cut())) {
        for (const [partition, next] of nexts.entries()) note(next, { topic, partition });
      }
    },
  );
}
