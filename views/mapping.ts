import type { Measure } from "./aggregate.ts";
import type { Cut } from "./cut.ts";
import { offsetAt } from "./cut.ts";
import type { EventType } from "./event.ts";
import type { ListNode, Node } from "./expression.ts";
import type { Dimension, View } from "./view.ts";

/** What a view makes of the events of one type. */
export interface Mapping {
  readonly event: EventType;
  /** Set if each element of this list makes a row, instead of each event. */
  readonly list: ListNode | undefined;
  /** Only records for which this is true count. */
  readonly where: Node | undefined;
  /** The view's, in its order, each as this type of event gives it. */
  readonly dimensions: readonly MappedDimension[];
  /** Those that events of this type are added to. Inputs and conditions are its own; the cells are where the view has them. */
  readonly measures: readonly Measure[];
  /** Where rows are sessions: the measures over their records, of which `measures` keeps the pieces. */
  readonly inSession?: readonly Measure[];
}

export interface MappedDimension extends Dimension {
  readonly node: Node;
}

/** One partition of one of a view's topics. */
export interface ViewPartition {
  readonly mapping: Mapping;
  readonly topic: string;
  /** Of the topic. */
  readonly partition: number;
}

/** All partitions that a view is made from; their places in this list number them through. */
export function partitionsOf(mappings: readonly Mapping[]): readonly ViewPartition[] {
  return mappings.flatMap((mapping) =>
    Array.from({ length: mapping.event.partitions }, (_, partition) =>
      Object.freeze({ mapping, topic: mapping.event.name, partition }),
    ),
  );
}

/** The same view over its event types as they are there: such as what knows their former schemas. */
export function overTypes(view: View, typeOf: (type: EventType) => EventType): View {
  const mappings = view.mappings.map((mapping) =>
    Object.freeze({ ...mapping, event: typeOf(mapping.event) }),
  );
  return Object.freeze({
    ...view,
    mappings: Object.freeze(mappings),
    partitions: Object.freeze(partitionsOf(mappings)),
  });
}

/** The view's partition of that number. */
export function viewPartition(view: View, number: number): ViewPartition {
  const found = view.partitions[number];
  if (found === undefined) throw new Error(`view "${view.name}" has no partition ${number}`);
  return found;
}

/** The next offset in the view's partition that the cut does not cover. */
export function offsetIn(cut: Cut, view: View, number: number): ReturnType<typeof offsetAt> {
  const { topic, partition } = viewPartition(view, number);
  return offsetAt(cut, topic, partition);
}

/** The part of the cut that speaks of the view's topics, every partition named. */
export function cutOf(view: View, cut: Cut): Cut {
  return Object.fromEntries(
    view.mappings.map(({ event: { name, partitions } }) => [
      name,
      Array.from({ length: partitions }, (_, partition) => offsetAt(cut, name, partition)),
    ]),
  );
}

/** The mapping of a view of one event type; who has a view of several must say which. */
export function onlyMapping(view: View): Mapping {
  const [only, second] = view.mappings;
  if (only === undefined || second !== undefined) {
    throw new Error(`view "${view.name}" is of ${view.mappings.length} event types: say of which`);
  }
  return only;
}
