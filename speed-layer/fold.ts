import type { TailSegment } from "../infra/tail/segment.ts";
import { type AddScope, addToJs } from "../views/aggregate.ts";
import type { Offset } from "../views/cut.ts";
import type { Event } from "../views/event.ts";
import { elementName, type ListNode, nodeToJs } from "../views/expression.ts";
import { addIntegers } from "../views/integer.ts";
import { groupKeyToJs } from "../views/key.ts";
import { LoopScope } from "../views/loop-scope.ts";
import { type Mapping, onlyMapping } from "../views/mapping.ts";
import type { Cell } from "../views/state.ts";
import type { View } from "../views/view.ts";
import { paneToJs } from "../views/window.ts";

/** What is looked at of an event that counts. */
export type FoldedEvent = Pick<Event, "time" | "data">;

/**
 * Folds `events[first…]` into an open segment, in order; null stands for a record that does not count (a duplicate, or
 * no event at all). `records` are the events' own, by the same index: only views that ask for a record's offset look at
 * them. The segment's `next` is the caller's to advance.
 */
export type Fold = (
  segment: TailSegment,
  events: readonly (FoldedEvent | null)[],
  first: number,
  records?: readonly { readonly offset: Offset }[],
) => void;

export type FoldOf = (view: View, mapping: Mapping) => Fold;

/** The folds of all mappings of the views, each compiled once. */
export function compileFolds(views: readonly View[]): FoldOf {
  const folds = new Map<Mapping, Fold>(
    views.flatMap((view) => view.mappings.map((mapping) => [mapping, compileFold(view, mapping)] as const)),
  );
  return (view, mapping) => folds.get(mapping) ?? compileFold(view, mapping);
}

/**
 * The fold of one of the view's mappings as generated JavaScript: one loop of its own per mapping, so that every property
 * access and every call in it is of one shape. All text that goes in is this code base's own; names and values of the
 * declaration go in as JSON literals or as constants.
 */
export function compileFold(view: View, mapping: Mapping = onlyMapping(view)): Fold {
  const scope = new LoopScope();
  const elements = mapping.list === undefined ? undefined : elementsLoop(mapping.list, scope);
  const filter = mapping.where === undefined ? undefined : nodeToJs(mapping.where, "event", scope);
  const beforeFilter = scope.takeStatements();
  const dimensions = mapping.dimensions.map((dimension) => nodeToJs(dimension.node, "event", scope));
  const pane = view.window === undefined ? "0" : paneToJs(view.window.window, "event.time", scope);
  const addScope: AddScope = {
    ...place,
    constant: (value) => scope.constant(value),
    value: (node) => nodeToJs(node, "event", scope),
  };
  const adds = mapping.measures.map((measure) => addToJs(measure, "cells", addScope));
  const body = `"use strict";
${scope.constantsToJs("constants")}
return function fold(segment, events, first, records) {
  let lastPane = NaN;
  let groups;
  for (let i = first; i < events.length; i++) {
    const event = events[i];
    if (event === null) continue;
    ${elements?.opening ?? ""}
    ${beforeFilter}
    ${filter === undefined ? "" : `if (${filter} !== true) continue;`}
    ${scope.takeStatements()}
    const pane = ${pane};
    if (pane !== lastPane) {
      groups = segment.pane(pane);
      lastPane = pane;
    }
    const key = ${groupKeyToJs(view.dimensions, dimensions)};
    let entry = groups.get(key);
    if (entry === undefined) {
      entry = { dimensions: [${dimensions.join(", ")}], pane, cells: [${view.columns.map((column) => cellToJs(column.zero)).join(", ")}], isDirty: true, place: segment.size++ };
      groups.set(key, entry);
      segment.dirty.push(entry);
    } else if (!entry.isDirty) {
      entry.isDirty = true;
      segment.dirty.push(entry);
    }
    const cells = entry.cells;
    ${adds.join("\n    ")}
    ${elements?.closing ?? ""}
  }
};`;
  return new Function("addIntegers", "constants", body)(addIntegers, scope.constants) as Fold;
}

/** A loop over the elements of the event's list, within which what follows is done. */
function elementsLoop(list: ListNode, scope: LoopScope) {
  const elements = nodeToJs(list, "event", scope);
  return {
    opening: `${scope.takeStatements()}
    for (let at = 0, length = ${elements}${list.nullable ? "?.length ?? 0" : ".length"}; at < length; at++) {
    const ${elementName} = ${elements}[at];`,
    closing: "}",
  };
}

const place = { time: "event.time", partition: "segment.partition", offset: "records[i].offset" };
function cellToJs(cell: Cell): string {
  return typeof cell === "bigint" ? `${cell}n` : JSON.stringify(cell);
}
