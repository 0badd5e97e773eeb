import type { Metrics } from "../metrics.ts";
import { type FileSizes, PlaceSizes } from "./file-sizes.ts";
import type { Master } from "./master.ts";

export function measureMaster(metrics: Metrics, master: Pick<Master, "cut" | "files">): void {
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
  const sizes = new PlaceSizes(master);
  const ofFiles = (what: keyof FileSizes, help: string) =>
    metrics.gauge(`tidemark_master_${what}`, help, ["topic", "place"], async (note) => {
      for (const topic of Object.keys(await master.cut())) {
        for (const [place, size] of Object.entries(await sizes.of(topic))) note(size[what], { topic, place });
      }
    });
  ofFiles("bytes", "What the files of records of the master dataset take, hot, or cold on another disk.");
  ofFiles("files", "How many files of records the master dataset has, hot, or cold on another disk.");
}
