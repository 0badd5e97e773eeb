import type { App } from "../../views/app.ts";
import type { Cut, Offset } from "../../views/cut.ts";
import { isRecomputed } from "../../views/layers.ts";
import { offsetIn, viewPartition } from "../../views/mapping.ts";
import { mergeSorted } from "../../views/sorted-rows.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import type { Log } from "../log/log.ts";
import { type Answered, askOwners } from "./ask-owners.ts";
import { PartitionReplica, viewsOf } from "./partition-replica.ts";
import type { TailSegment } from "./segment.ts";
import type { SealedTail, SealRequest } from "./tail.ts";
import { decodeTailRecord } from "./tail-record.ts";

export interface ReplicatedSealOptions {
  readonly app: App;
  /** Has the tail topics of all the app's topics. */
  readonly log: Log;
  readonly newId: () => string;
}

/**
 * Asks whoever owns the partitions to seal, through the tail topics, and reads there what was sealed. Holds that in memory
 * from a seal to the next one, or until it is let go of.
 */
export class ReplicatedSeal implements SealRequest, SealedTail {
  readonly #options: ReplicatedSealOptions;
  /** By topic and partition, as they are at the seal. */
  #replicas = new Map<string, PartitionReplica>();

  constructor(options: ReplicatedSealOptions) {
    this.#options = options;
  }

  async seal(signal: AbortSignal = new AbortController().signal): Promise<Cut> {
    this.letGo();
    const { app, log, newId } = this.#options;
    const request = newId();
    const replicas = new Map<string, PartitionReplica>();
    const sealed = await askOwners({
      ...{ log, topics: app.events, signal },
      request: { kind: "seal-request", request },
      listen: (topic, partition) => {
        // Nobody asks for sealed rows of the others.
        const views = viewsOf(app, topic, partition).filter(({ view }) => isRecomputed(view));
        const replica = new PartitionReplica(views);
        replicas.set(`${topic}/${partition}`, replica);
        return ({ value }) => {
          const record = decodeTailRecord(value);
          const counts = replica.apply(record);
          return counts && record.kind === "sealed" && record.request === request ? record.next : undefined;
        };
      },
    });
    this.#replicas = replicas;
    return cutOfAnswers(sealed);
  }

  /** From the first row asked for to the last, there must be no other seal. */
  rows(view: View, from: Cut, to: Cut): Iterable<StateRow> | undefined {
    const path: TailSegment[] = [];
    for (const number of view.partitions.keys()) {
      const { topic, partition } = viewPartition(view, number);
      const chain = this.#replicas.get(`${topic}/${partition}`)?.chains.find((each) => each.view === view);
      const between = chain?.between(offsetIn(from, view, number), offsetIn(to, view, number));
      if (between === undefined) return undefined;
      path.push(...between);
    }
    return mergeSorted(
      view,
      path.map((segment) => segment.sortedRows()),
    );
  }

  /** Frees the memory that the last seal takes. */
  letGo(): void {
    this.#replicas = new Map();
  }
}

function cutOfAnswers(answers: readonly Answered<Offset>[]): Cut {
  const cut: Record<string, Offset[]> = {};
  for (const { topic, partition, answer } of answers) {
    cut[topic] ??= [];
    (cut[topic] as Offset[])[partition] = answer;
  }
  return cut;
}
