import type { Metrics } from "../infra/metrics.ts";
import type { Skipped } from "./admission.ts";
import { defaultEntries } from "./main.ts";

export interface Folding {
  /** Counts since the start. */
  readonly skipped: Readonly<Skipped>;
  /** Of all partitions that are folded here. */
  readonly entries: number;
}

/** What a process that folds counts. */
export function measureFolding(metrics: Metrics, folding: Folding): void {
  metrics.gauge("tidemark_speed_entries", "Entries that the fold holds: a group in a pane.", [], (note) =>
    note(folding.entries),
  );
  metrics.gauge("tidemark_speed_entries_limit", "Entries that the fold may hold at most.", [], (note) =>
    note(defaultEntries),
  );
  metrics.total(
    "tidemark_speed_skipped_records_total",
    "Records that were not folded, by why.",
    ["reason"],
    (note) => {
      note(folding.skipped.duplicates, { reason: "duplicate" });
      note(folding.skipped.undecodable, { reason: "undecodable" });
      note(folding.skipped.forgotten, { reason: "forgotten" });
    },
  );
}
