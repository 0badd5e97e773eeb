import type { Manifest } from "../infra/generations/generations.ts";
import type { Master } from "../infra/master/master.ts";
import { measureMaster } from "../infra/master/master-metrics.ts";
import type { Metrics } from "../infra/metrics.ts";
import type { Segment } from "../infra/tail/tail.ts";
import type { App } from "../views/app.ts";
import { offsetIn, viewPartition } from "../views/mapping.ts";
import type { View } from "../views/view.ts";
import { isAwaited } from "./building.ts";
import type { LiveQueries } from "./live/live-queries.ts";
import type { LogBound } from "./log-bound.ts";
import { lagOf } from "./provenance.ts";
import type { Snapshots } from "./snapshot.ts";
import { tailBytes } from "./tail-bytes.ts";
import type { Versions } from "./versions.ts";

export interface Measured {
  readonly app: App;
  readonly versions: Versions;
  readonly snapshots: Snapshots;
  readonly logEnd: LogBound;
  readonly master: Pick<Master, "cut" | "files"> | undefined;
  readonly live: Pick<LiveQueries, "followers">;
}

/** Lag is told of every partition while that makes no more series than this; else of every view. */
const maxLagSeries = 2_000;

/** What answers rest on, view by view. Nothing is computed but when it is asked for. */
export function measureServing(metrics: Metrics, measured: Measured): void {
  const { app, versions, snapshots, logEnd, master, live } = measured;
  const { views } = app;
  if (master !== undefined) measureMaster(metrics, master);

  metrics.gauge(
    "tidemark_log_next_offset",
    "Where the log ends: the offset that its next record gets.",
    ["topic", "partition"],
    async (note) => {
      for (const [topic, nexts] of Object.entries((await logEnd.current()).cut)) {
        for (const [partition, next] of nexts.entries()) note(next, { topic, partition });
      }
    },
  );
  const series = views.reduce((sum, { partitions }) => sum + partitions.length, 0);
  metrics.gauge(
    "tidemark_view_lag_records",
    `Records of the log that no answer covers yet. Of more than ${maxLagSeries} partitions in all views the partition is "all".`,
    ["view", "topic", "partition"],
    async (note) => {
      const { cut: end } = await logEnd.current();
      for (const view of views) {
        const position = snapshots.position(view);
        if (series > maxLagSeries) {
          note(lagOf(view, position, end), { view: view.name, topic: "all", partition: "all" });
          continue;
        }
        for (const number of view.partitions.keys()) {
          const { topic, partition } = viewPartition(view, number);
          const lag = offsetIn(end, view, number) - offsetIn(position, view, number);
          note(Math.max(0, lag), { view: view.name, topic, partition });
        }
      }
    },
  );
  metrics.gauge("tidemark_view_ready", "Whether the view can be answered: 1, or 0.", ["view"], (note) => {
    for (const view of views) {
      if (!isAwaited(view, snapshots, versions)) continue;
      note(snapshots.unready(view) === undefined ? 1 : 0, { view: view.name });
    }
  });

  metrics.gauge(
    "tidemark_view_active_version",
    "The version that the view's name means, of views that the app declares several versions of.",
    ["view"],
    (note) => {
      for (const view of views) {
        if (versions.isActive(view) && versions.of(view).length > 1)
          note(view.version, { view: view.family });
      }
    },
  );

  metrics.gauge("tidemark_live_followers", "Clients that follow live queries now.", [], (note) =>
    note(live.followers),
  );

  const ofTail = (what: string, help: string, value: (segments: readonly Segment[], view: View) => number) =>
    metrics.gauge(`tidemark_tail_${what}`, help, ["view"], (note) => {
      for (const view of views) {
        if (snapshots.unready(view) !== undefined) continue;
        note(value(snapshots.segments(snapshots.serving(view)), view), { view: view.name });
      }
    });
  ofTail("entries", "Groups in panes that the tail holds beyond the generation.", (segments) =>
    segments.reduce((sum, { size }) => sum + size, 0),
  );
  ofTail("records", "Records that the tail covers beyond the generation.", (segments) =>
    segments.reduce((sum, { from, next }) => sum + next - from, 0),
  );
  ofTail("size_bytes", "Memory that the tail takes, estimated by a sample of its entries.", (segments) =>
    segments.reduce((sum, segment) => sum + tailBytes(segment), 0),
  );

  const ofGeneration = (
    name: `tidemark_${string}`,
    help: string,
    value: (manifest: Manifest) => number | undefined,
  ) =>
    metrics.gauge(name, help, ["view"], (note) => {
      for (const view of views) {
        const manifest = snapshots.batch(view)?.reader.manifest;
        const known = manifest && value(manifest);
        if (known !== undefined) note(known, { view: view.name });
      }
    });
  ofGeneration(
    "tidemark_generation_created_timestamp_seconds",
    "When the generation that serves was made, and the tail beyond it began.",
    ({ createdAt }) => Date.parse(createdAt) / 1000,
  );
  ofGeneration("tidemark_generation_rows", "Rows of the generation that serves.", ({ rows }) => rows);
  ofGeneration(
    "tidemark_generation_records",
    "Records of the log that the generation that serves covers.",
    ({ records }) => records,
  );
  ofGeneration(
    "tidemark_drift_keys",
    "Keys in which the generation that serves differs from what was served before at the same cut; none where they were not compared.",
    ({ reconciliation }) => (reconciliation.kind === "compared" ? reconciliation.differing : undefined),
  );
  ofGeneration(
    "tidemark_drift_largest",
    "The largest difference found in any measure, in the measure's own unit.",
    ({ reconciliation }) => (reconciliation.kind === "compared" ? reconciliation.largestDrift : undefined),
  );
}
