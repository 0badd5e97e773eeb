import type { Position } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Append, Topic } from "../log/log.ts";
import type { Timers } from "../timers.ts";
import { AppendCall, AppendLane } from "./append-lane.ts";
import { Backoff } from "./backoff.ts";
import type { KafkaConnections } from "./connections.ts";
import { encodeRecords } from "./encode-records.ts";
import { isPassing, KafkaError, reasonOf } from "./kafka-error.ts";
import { type Produced, produceRequest } from "./produce.ts";

export interface AppendsOptions {
  readonly warn: (message: string) => void;
  readonly timers: Timers;
  readonly now: () => number;
  /** How long an append is tried. */
  readonly deliveryMs: number;
}

/** A broker answers within it that its replicas have a batch, or that they have not. */
const replicationMs = 10_000;
/** Of one request. */
const maxRequestLanes = 64;

/**
 * Appends by group commit: one request is under way to each broker, and what comes meanwhile goes into the next. So records of
 * one partition are written in the order of the calls, also when a request is tried again. A request whose answer is lost is
 * written twice then; the second copy follows the first at once, and the duplicate rule drops it.
 */
export class KafkaAppends {
  readonly #connections: KafkaConnections;
  readonly #options: AppendsOptions;
  readonly #lanes: ReadonlyMap<string, readonly AppendLane[]>;
  readonly #all: readonly AppendLane[];
  readonly #backoff: Backoff;
  readonly #busy = new Set<number>();
  #isRecovering = false;
  #isDispatching = false;
  #isClosed = false;
  #idle: () => void = () => undefined;
  #lastTrouble: unknown;

  constructor(connections: KafkaConnections, topics: readonly Topic[], options: AppendsOptions) {
    this.#connections = connections;
    this.#options = options;
    this.#backoff = new Backoff(options.timers);
    this.#lanes = new Map(
      topics.map(({ name, partitions }) => [
        name,
        Array.from({ length: partitions }, (_, partition) => new AppendLane(name, partition)),
      ]),
    );
    this.#all = [...this.#lanes.values()].flat();
  }

  /** The caller has checked that topics and partitions exist. */
  append(records: readonly Append[]): Promise<Position> {
    if (this.#isClosed) throw new TidemarkError("TIDEMARK_NOT_READY", "the log is closed");
    const call = new AppendCall(this.#options.now() + this.#options.deliveryMs);
    const byLane = new Map<AppendLane, Append[]>();
    for (const record of records) {
      const lane = this.#lane(record);
      const own = byLane.get(lane);
      if (own === undefined) byLane.set(lane, [record]);
      else own.push(record);
    }
    for (const [lane, own] of byLane) lane.add(call, own);
    this.#dispatchSoon();
    return call.done;
  }

  /** Waits for what was appended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#all.every((lane) => lane.isIdle)) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  #lane({ topic, partition }: Append): AppendLane {
    const lane = this.#lanes.get(topic)?.[partition];
    if (lane === undefined) throw new Error(`partition ${topic}/${partition} is unknown`);
    return lane;
  }

  /** Appends of the same turn belong together. */
  #dispatchSoon(): void {
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    queueMicrotask(() => {
      this.#isDispatching = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    const ready = new Map<number, AppendLane[]>();
    let isAnyLeaderless = false;
    for (const lane of this.#all) {
      if (!lane.isReady) continue;
      const leader = this.#connections.leader(lane.topic, lane.partition);
      if (leader === undefined) isAnyLeaderless = true;
      else if (!this.#busy.has(leader)) ready.set(leader, [...(ready.get(leader) ?? []), lane]);
    }
    if (!this.#isRecovering) {
      for (const [broker, lanes] of ready) void this.#send(broker, lanes.slice(0, maxRequestLanes));
      if (isAnyLeaderless) void this.#recover();
    }
    if (this.#isClosed && this.#all.every((lane) => lane.isIdle)) this.#idle();
  }

  async #send(broker: number, lanes: readonly AppendLane[]): Promise<void> {
    this.#busy.add(broker);
    try {
      const now = this.#options.now();
      const batches = lanes.map((lane) => ({
        topic: lane.topic,
        partition: lane.partition,
        batch: encodeRecords(lane.take(), now),
      }));
      this.#settle(lanes, await this.#connections.send(broker, produceRequest(batches, replicationMs)));
    } catch (error) {
      for (const lane of lanes) this.#refuse(lane, error);
    } finally {
      this.#busy.delete(broker);
      this.#dispatchSoon();
    }
  }

  #settle(lanes: readonly AppendLane[], { partitions }: Produced): void {
    for (const lane of lanes) {
      const answer = partitions.find(
        ({ topic, partition }) => topic === lane.topic && partition === lane.partition,
      );
      if (answer?.errorCode === 0) {
        this.#backoff.reset();
        lane.succeed(answer.baseOffset);
      } else this.#refuse(lane, new KafkaError(answer?.errorCode ?? -1));
    }
  }

  #refuse(lane: AppendLane, error: unknown): void {
    if (isPassing(error)) {
      this.#lastTrouble = error;
      lane.putBack();
      void this.#recover();
    } else lane.fail(refusal(lane, error));
  }

  /** After a pause looks for the leaders anew, and tries again what has not waited for too long. */
  async #recover(): Promise<void> {
    if (this.#isRecovering) return;
    this.#isRecovering = true;
    const { warn, now } = this.#options;
    warn(`appending to Kafka is tried again: ${reasonOf(this.#lastTrouble ?? "a partition has no leader")}`);
    try {
      await this.#backoff.pause();
      await this.#connections.refresh([...this.#lanes.keys()]);
    } catch (error) {
      this.#lastTrouble = error;
    }
    for (const lane of this.#all) {
      lane.expire(now(), (topic, partition) => this.#late(topic, partition));
    }
    this.#isRecovering = false;
    this.#dispatch();
  }

  #late(topic: string, partition: number): TidemarkError {
    return new TidemarkError(
      "TIDEMARK_INGEST_LOG",
      `${topic}/${partition} could not be appended to for ${this.#options.deliveryMs} ms: ${reasonOf(this.#lastTrouble ?? "it has no leader")}`,
      { cause: this.#lastTrouble },
    );
  }
}

function refusal({ topic, partition }: AppendLane, cause: unknown): TidemarkError {
  const { type } = cause as { readonly type?: string };
  if (type === "MESSAGE_TOO_LARGE" || type === "RECORD_LIST_TOO_LARGE") {
    return new TidemarkError(
      "TIDEMARK_EVENT_TOO_LARGE",
      `${topic}/${partition} takes no record that large: see the topic's max.message.bytes, which \`tidemark topics apply\` sets`,
      { cause },
    );
  }
  return new TidemarkError(
    "TIDEMARK_INGEST_LOG",
    `${topic}/${partition} could not be appended to: ${reasonOf(cause)}`,
    { cause },
  );
}
