import {
  type Assigner,
  AssignerProtocol,
  Kafka,
  logLevel,
  type PartitionAssigner,
  PartitionAssigners,
} from "kafkajs";
import { TidemarkError } from "../../views/errors.ts";
import type { KafkaSettings } from "./settings.ts";

/** A member's partitions, by topic. */
export type Assignment = Readonly<Record<string, readonly number[]>>;

export interface MembershipOptions {
  readonly settings: KafkaSettings;
  readonly group: string;
  readonly topics: readonly string[];
  /** "spread": each member has its share. "one": the member that has been there for longest has all, the others stand by. */
  readonly sharing: "spread" | "one";
  /** How long a member that isn't heard of keeps its partitions. Default 10,000 ms. */
  readonly sessionMs?: number;
  /** Called with every new assignment; an empty one while the group is being joined anew after it was lost. */
  readonly onAssigned: (assignment: Assignment) => void;
  readonly warn: (message: string) => void;
}

/**
 * A member of a Kafka consumer group that takes nothing but its assignment from it: records are read through `KafkaLog`, at
 * positions that are kept with the states, and nothing is ever committed. An assignment is advice on who does the work: two
 * members may hold one partition for a while, and what rests on it must bear that.
 */
export class Membership implements AsyncDisposable {
  /** Rejects when the group can't be joined any more; resolves once disposed of. */
  readonly done: Promise<void>;
  readonly #consumer;
  #end: () => void = () => {};

  static async join(options: MembershipOptions): Promise<Membership> {
    const membership = new Membership(options);
    try {
      await membership.#join(options);
    } catch (error) {
      await membership.#consumer.disconnect().catch(() => undefined);
      throw error;
    }
    return membership;
  }

  private constructor({ settings, group, sharing, sessionMs = 10_000, onAssigned, warn }: MembershipOptions) {
    const { brokers, clientId, tls, sasl } = settings;
    const kafka = new Kafka({
      brokers: [...brokers],
      clientId,
      ...(tls === undefined ? {} : { ssl: tls }),
      ...(sasl === undefined ? {} : { sasl }),
      logLevel: logLevel.NOTHING,
      retry: { retries: Number.MAX_SAFE_INTEGER, maxRetryTime: 5_000 },
    });
    const startedAt = Date.now();
    this.#consumer = kafka.consumer({
      groupId: group,
      sessionTimeout: sessionMs,
      heartbeatInterval: Math.floor(sessionMs / 10),
      rebalanceTimeout: sessionMs,
      // All partitions are paused: it is how long it sleeps between two heartbeats.
      maxWaitTimeInMs: Math.floor(sessionMs / 10),
      allowAutoTopicCreation: false,
      partitionAssigners: [sharing === "spread" ? PartitionAssigners.roundRobin : toOldest(startedAt)],
    });
    const consumer = this.#consumer;
    let fail: (error: unknown) => void = () => {};
    this.done = new Promise((resolve, reject) => {
      this.#end = resolve;
      fail = reject;
    });
    this.done.catch(() => {});
    consumer.on(consumer.events.GROUP_JOIN, ({ payload: { memberAssignment } }) => {
      // Before it fetches for the first time.
      consumer.pause(Object.entries(memberAssignment).map(([topic, partitions]) => ({ topic, partitions })));
      onAssigned(memberAssignment);
    });
    consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
      if (restart) {
        warn(`group ${group} is joined again: ${error.message}`);
        onAssigned({});
      } else {
        fail(
          new TidemarkError(
            "TIDEMARK_KAFKA_UNREACHABLE",
            `group ${group} can't be joined: ${error.message}`,
            {
              cause: error,
            },
          ),
        );
      }
    });
  }

  async #join({ topics }: MembershipOptions): Promise<void> {
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics: [...topics] });
    await this.#consumer.run({ autoCommit: false, eachBatch: async () => undefined });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#consumer.disconnect();
    this.#end();
  }
}

/** All to one member: who is there for longest keeps it, so that a newcomer interrupts nothing. */
function toOldest(startedAt: number): PartitionAssigner {
  const { MemberAssignment, MemberMetadata } = AssignerProtocol;
  return ({ cluster }): Assigner => ({
    name: "tidemark-oldest",
    version: 1,
    async assign({ members, topics }) {
      const [oldest] = members
        .map(({ memberId, memberMetadata }) => ({ memberId, since: sinceOf(memberMetadata) }))
        .sort((a, b) => a.since - b.since || (a.memberId < b.memberId ? -1 : 1));
      const all = Object.fromEntries(
        topics.map((topic) => [
          topic,
          cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId),
        ]),
      );
      return members.map(({ memberId }) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({
          version: 1,
          assignment: memberId === oldest?.memberId ? all : {},
          userData: Buffer.alloc(0),
        }),
      }));
    },
    protocol: ({ topics }) => ({
      name: "tidemark-oldest",
      metadata: MemberMetadata.encode({ version: 1, topics, userData: Buffer.from(String(startedAt)) }),
    }),
  });

  function sinceOf(metadata: Buffer): number {
    return Number(MemberMetadata.decode(metadata)?.userData.toString() ?? Number.POSITIVE_INFINITY);
  }
}
