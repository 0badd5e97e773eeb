import type { Offset } from "../../views/cut.ts";
import type { Consumer, Consumption } from "../log/log.ts";
import type { Timers } from "../timers.ts";
import { ownTurn } from "../turn.ts";
import { Backoff } from "./backoff.ts";
import type { KafkaConnections } from "./connections.ts";
import { type Fetched, fetchRequest } from "./fetch.ts";
import { FetchLane } from "./fetch-lane.ts";
import { isPassing, KafkaError, outOfRange, reasonOf, requireSuccess, unknownTopic } from "./kafka-error.ts";
import { Signal } from "./signal.ts";
import { missingTopic } from "./topic-faults.ts";

export interface ConsumerOptions {
  /** Of its own, since a fetch waits for records; closed with the consumer. */
  readonly connections: KafkaConnections;
  readonly partitions: readonly number[];
  readonly warn: (message: string) => void;
  readonly timers: Timers;
  /** Whether Kafka holds the position; throws if not, naming what it holds. */
  requireHeld(partition: number, position: Offset): Promise<void>;
}

/** How long a broker keeps a fetch when there is nothing new. A position that is moved by others is seen as soon. */
const maxWaitMs = 250;
/** And while some partitions were left out, having enough to go on with: they may want more at any moment. */
const shortWaitMs = 10;
/** A topic that is not there may still be on its way to all brokers. */
const maxUnknownTries = 8;

/**
 * Follows partitions of a topic, each in order with one batch in hand. One fetch at a time goes to each broker, for all
 * partitions that it leads, while what came before is handled. What passes (brokers that are away, leaders that change) is
 * tried again for ever, from the very same offsets.
 */
export class KafkaConsumer implements Consumer {
  readonly done: Promise<void>;
  readonly #consumption: Consumption;
  readonly #options: ConsumerOptions;
  readonly #lanes: readonly FetchLane[];
  readonly #backoff: Backoff;
  /** The brokers that are being asked. */
  readonly #asked = new Map<number, Promise<void>>();
  readonly #room = new Signal();
  readonly #leaderLost = new Signal();
  #isStopped = false;

  constructor(consumption: Consumption, options: ConsumerOptions) {
    this.#consumption = consumption;
    this.#options = options;
    this.#backoff = new Backoff(options.timers);
    this.#lanes = options.partitions.map(
      (partition) => new FetchLane(consumption.topic, partition, consumption.position(partition)),
    );
    this.done = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    // `done` tells why it failed, if it did; the end is the same.
    await this.done.catch(() => undefined);
  }

  async #run(): Promise<void> {
    const failures: unknown[] = [];
    const guard = (task: Promise<void>) =>
      task.catch((failure: unknown) => {
        failures.push(failure);
        this.#stop();
      });
    await Promise.all([
      ...this.#lanes.map((lane) => guard(this.#deliver(lane))),
      guard(this.#followLeaders(guard)),
    ]);
    await this.#options.connections[Symbol.asyncDispose]();
    await Promise.all(this.#asked.values());
    if (failures.length > 0) throw failures[0];
  }

  #stop(): void {
    this.#isStopped = true;
    this.#backoff.stop();
    this.#room.raise();
    this.#leaderLost.raise();
    for (const lane of this.#lanes) lane.wake();
  }

  async #deliver(lane: FetchLane): Promise<void> {
    // So that nothing is handled before the caller holds the consumer.
    await ownTurn();
    while (!this.#isStopped) {
      lane.moveTo(this.#consumption.position(lane.partition));
      const batch = lane.take();
      if (lane.wantsMore) this.#room.raise();
      if (batch === undefined) {
        await lane.arrival();
        continue;
      }
      await this.#consumption.handle(batch);
      // A handler that never waits must not keep the event loop from everyone else.
      await ownTurn();
    }
  }

  /** Finds a leader for each partition that has none, and has it asked. */
  async #followLeaders(guard: (task: Promise<void>) => Promise<void>): Promise<void> {
    const { topic } = this.#consumption;
    const { connections, warn } = this.#options;
    let unknownTries = 0;
    for (let isFirst = true; !this.#isStopped; isFirst = false) {
      const lost = this.#lanes.filter(({ leader }) => leader === undefined);
      if (lost.length === 0) {
        await this.#leaderLost.wait();
        continue;
      }
      if (!isFirst) await this.#backoff.pause();
      try {
        const [known] = await connections.refresh([topic]);
        unknownTries = known?.errorCode === unknownTopic ? unknownTries + 1 : 0;
        if (unknownTries === maxUnknownTries) throw missingTopic(topic);
        for (const lane of lost) lane.leader = connections.leader(topic, lane.partition);
        for (const { leader } of lost) if (leader !== undefined) this.#ask(leader, guard);
      } catch (error) {
        if (this.#isStopped) return;
        if (!isPassing(error)) throw error;
        warn(`${topic} is asked for again: ${reasonOf(error)}`);
      }
    }
  }

  #ask(broker: number, guard: (task: Promise<void>) => Promise<void>): void {
    this.#room.raise();
    if (this.#asked.has(broker)) return;
    const asking = guard(this.#fetchFrom(broker)).finally(() => this.#asked.delete(broker));
    this.#asked.set(broker, asking);
  }

  async #fetchFrom(broker: number): Promise<void> {
    while (!this.#isStopped) {
      const lanes = this.#lanes.filter(({ leader }) => leader === broker);
      if (lanes.length === 0) return;
      const wanting = lanes.filter(({ wantsMore }) => wantsMore);
      if (wanting.length === 0) await this.#room.wait();
      else await this.#fetch(broker, wanting, wanting.length === lanes.length ? maxWaitMs : shortWaitMs);
    }
  }

  async #fetch(broker: number, lanes: readonly FetchLane[], waitMs: number): Promise<void> {
    const { topic } = this.#consumption;
    for (const lane of lanes) if (lane.isWaiting) lane.moveTo(this.#consumption.position(lane.partition));
    const positions = new Map(lanes.map(({ partition, fetchFrom }) => [partition, fetchFrom]));
    let fetched: Fetched;
    try {
      fetched = await this.#options.connections.send(broker, fetchRequest(topic, positions, waitMs));
      requireSuccess(fetched.errorCode);
    } catch (error) {
      this.#lose(lanes, error);
      return;
    }
    for (const answer of fetched.partitions) {
      const lane = lanes.find(({ partition }) => partition === answer.partition);
      const from = positions.get(answer.partition);
      if (lane === undefined || from === undefined) continue;
      if (answer.errorCode !== 0) {
        if (answer.errorCode === outOfRange) await this.#options.requireHeld(lane.partition, from);
        this.#lose([lane], new KafkaError(answer.errorCode));
      } else {
        lane.isTroubled = false;
        lane.put(from, answer);
      }
    }
    if (this.#lanes.every(({ isTroubled }) => !isTroubled)) this.#backoff.reset();
  }

  /** Throws if that will not pass. */
  #lose(lanes: readonly FetchLane[], error: unknown): void {
    if (this.#isStopped) return;
    const isOutOfRange = error instanceof KafkaError && error.type === "OFFSET_OUT_OF_RANGE";
    if (!isPassing(error) && !isOutOfRange) throw error;
    for (const lane of lanes) {
      lane.leader = undefined;
      lane.isTroubled = true;
    }
    const partitions = lanes.map(({ partition }) => partition).join(", ");
    this.#options.warn(`${this.#consumption.topic}/${partitions} is fetched again: ${reasonOf(error)}`);
    this.#leaderLost.raise();
  }
}
