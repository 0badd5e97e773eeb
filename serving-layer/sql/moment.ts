import type { Segment, Tail } from "../../infra/tail/tail.ts";
import type { App } from "../../views/app.ts";
import { type Cut, type Offset, offset, offsetAt } from "../../views/cut.ts";
import type { EventType } from "../../views/event.ts";
import { isFolded } from "../../views/layers.ts";
import type { View } from "../../views/view.ts";
import type { KnownBound } from "../log-bound.ts";
import type { Snapshot, Snapshots } from "../snapshot.ts";

/** What a statement's tables are made of, all of them as of one moment. */
export interface SqlMoment {
  view(view: View): ViewThen;
  /** By partition, the next offset that is not in the table of the type's events. */
  nexts(event: EventType): readonly Offset[];
  /** Where the log ended, which lag is counted to. */
  readonly end: KnownBound;
  /** As it was asked for, if it is of the past. */
  readonly asOf?: string;
}

export interface ViewThen {
  readonly snapshot: Snapshot;
  /** From the snapshot's cut to the position. */
  readonly segments: readonly Segment[];
  readonly position: Cut;
}

export interface PresentParts {
  readonly app: App;
  readonly snapshots: Snapshots;
  readonly tail: Tail;
}

/** Of one moment as long as nobody who asks it gives up the thread. */
export function presentMoment({ app, snapshots, tail }: PresentParts, end: KnownBound): SqlMoment {
  return {
    view: (view) => {
      const snapshot = snapshots.serving(view);
      return { snapshot, segments: snapshots.segments(snapshot), position: snapshots.position(view) };
    },
    // Events are those that the tails of their type's views have; of a type that has none,
    // those of the log when it was last asked.
    nexts: (event) => {
      const views = app.views.filter(
        (view) => isFolded(view) && view.mappings.some((mapping) => mapping.event === event),
      );
      const cuts = views.length === 0 ? [end.cut] : views.map((view) => tail.position(view));
      return Array.from({ length: event.partitions }, (_, partition) =>
        offset(Math.min(...cuts.map((cut) => offsetAt(cut, event.name, partition)))),
      );
    },
    end,
  };
}
