import type { Consumer, Log, LogBatch } from "../infra/log/log.ts";
import type { Chain } from "../infra/tail/chain.ts";
import type { Tracing } from "../infra/tracing.ts";
import { ownTurn } from "../infra/turn.ts";
import type { Offset } from "../views/cut.ts";
import type { EventType } from "../views/event.ts";
import { Admission, type Past, type Skipped } from "./admission.ts";
import type { EntryBound } from "./entry-bound.ts";
import type { Fold } from "./fold.ts";
import type { TailSegments } from "./segments.ts";

/** A view of the topic: its fold of such events, and its chains by the topic's partitions, of those that are folded here. */
export interface FoldedView {
  readonly fold: Fold;
  readonly chains: readonly (Chain | undefined)[];
}

/** Is told of what is folded, and when. */
export type FoldTracing = Pick<Tracing, "fold">;

export interface TopicConsumption extends Past {
  readonly log: Log;
  readonly type: EventType;
  /** Default: all of the topic's. */
  readonly partitions?: readonly number[];
  /** At least one. */
  readonly views: readonly FoldedView[];
  readonly tail: TailSegments;
  readonly bound: EntryBound;
  readonly skipped: Skipped;
  /** Told of a batch before it is folded. */
  readonly onBatch?: (batch: LogBatch) => void;
  readonly tracing?: FoldTracing | undefined;
}

/** Records folded in one turn of the event loop: some 0.3 ms, for which seals and tellings wait. */
const recordsPerTurn = 40;

/** Folds a topic's records into every view of it as they come, each record once per view. */
export function consumeTopic(consumption: TopicConsumption): Consumer {
  const {
    log,
    type,
    partitions = Array.from({ length: type.partitions }, (_, partition) => partition),
  } = consumption;
  const admissions: Admission[] = [];
  for (const partition of partitions) {
    admissions[partition] = new Admission(type, partition, consumption.skipped);
  }
  return log.consume({
    topic: type.name,
    partitions,
    position: (partition) => positionOf(consumption.views, partition),
    handle: async (batch) => {
      consumption.onBatch?.(batch);
      const admission = admissions[batch.partition];
      if (admission === undefined) return;
      if (consumption.tracing === undefined) await handle(consumption, admission, batch);
      else await consumption.tracing.fold(batch, () => handle(consumption, admission, batch));
    },
  });
}

/** A view may be ahead of others: it passes over what it has. */
function positionOf(views: readonly FoldedView[], partition: number): Offset {
  return Math.min(...views.map(({ chains }) => chains[partition]?.next ?? 0)) as Offset;
}

async function handle(
  consumption: TopicConsumption,
  admission: Admission,
  { partition, from, next, records, forgotten = [] }: LogBatch,
): Promise<void> {
  const { views, tail, bound } = consumption;
  // Not warm at the start, and after every view has jumped forward.
  if (!admission.isWarmAt(from)) await admission.warmUp(consumption, from);
  consumption.skipped.forgotten += forgotten.length;
  // Offsets without a record are passed, too.
  for (let first = 0; first === 0 || first < records.length; first += recordsPerTurn) {
    if (first > 0) await ownTurn();
    while (bound.isFull) await bound.room();
    const part = records.slice(first, first + recordsPerTurn);
    const partNext = records[first + recordsPerTurn]?.offset ?? next;
    const events = admission.admit(part, partNext);
    for (const { fold, chains } of views) {
      const chain = chains[partition];
      if (chain === undefined || chain.next >= partNext) continue;
      const at = part.findIndex((record) => record.offset >= chain.next);
      if (at >= 0) fold(chain.open, events, at, part);
      chain.advance(partNext);
    }
    tail.advanced();
  }
}
