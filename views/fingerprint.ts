import { createHash } from "node:crypto";
import { describeNode } from "./expression.ts";
import type { Mapping } from "./mapping.ts";
import { stateFormat } from "./state.ts";
import type { Fingerprint, View } from "./view.ts";
import type { Window } from "./window.ts";

/** Of a view's meaning, before its measures are made into what is kept of sessions. */
export function fingerprintOf(view: Pick<View, "mappings" | "window" | "measures">): Fingerprint {
  const window = view.window === undefined ? null : [view.window.name, ...describeWindow(view.window.window)];
  const [first, second] = view.mappings.map(mappingMeaning);
  const meaning =
    first === undefined || second !== undefined
      ? [
          stateFormat,
          view.mappings.map((mapping) => [mapping.event.partitions, ...mappingMeaning(mapping)]),
          window,
          // In the order of the cells.
          view.measures.filter(({ aggregate }) => aggregate.state.length > 0).map(({ name }) => name),
        ]
      : [stateFormat, ...first.slice(0, 3), window, ...first.slice(3)];
  return createHash("sha256").update(JSON.stringify(meaning)).digest("hex").slice(0, 16) as Fingerprint;
}

/** Neither what is derived nor what is measured of whole sessions is kept: it can change, and states mean the same. */
function mappingMeaning({ event, list, where, dimensions, measures }: Mapping): readonly unknown[] {
  return [
    [event.name, event.duplicatesWithin, ...(list === undefined ? [] : [describeNode(list)])],
    where === undefined ? null : describeNode(where),
    dimensions.map((dimension) => [dimension.name, describeNode(dimension.node)]),
    measures
      .filter(({ aggregate }) => aggregate.state.length > 0)
      .map(({ name, aggregate }) => [
        name,
        aggregate.kind,
        aggregate.state,
        aggregate.input === undefined ? null : describeNode(aggregate.input),
        aggregate.where === undefined ? null : describeNode(aggregate.where),
      ]),
  ];
}

function describeWindow(window: Window): readonly unknown[] {
  const { kind, widthMs } = window;
  // Windows that overlap are put together when they are shown: what is kept is their panes.
  if (kind === "sliding") return ["tumbling", widthMs];
  if (kind !== "calendar") return [kind, widthMs];
  const { unit, zone } = window.calendar;
  return [kind, unit, zone.name, zone.hash];
}
