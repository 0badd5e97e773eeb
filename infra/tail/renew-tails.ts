import type { Offset } from "../../views/cut.ts";
import type { Log, LogRecord, Topic } from "../log/log.ts";
import { askOwners } from "./ask-owners.ts";
import { PartitionReplica } from "./partition-replica.ts";
import { decodeTailRecord, tailTopic } from "./tail-record.ts";

export interface RenewTails {
  /** Has the tail topics. */
  readonly log: Log;
  /** Of the events. */
  readonly topics: readonly Topic[];
  readonly newId: () => string;
  readonly signal: AbortSignal;
}

/**
 * Has those who own the partitions fold anew what lies after the cuts of the generations that serve, and tell
 * that; then lets go of all that the tail topics told before. Rejects with TIDEMARK_NOT_READY if not all of them
 * have by the time that the signal aborts.
 */
export async function renewTails({ log, topics, newId, signal }: RenewTails): Promise<void> {
  const request = newId();
  const renewed = await askOwners({
    ...{ log, topics, signal },
    request: { kind: "renew-request", request },
    listen: () => {
      const replica = new PartitionReplica([]);
      let claimedAt = 0 as Offset;
      return ({ offset, key, value }: LogRecord) => {
        // Whose states they are is all that counts here.
        if (key === "rows" || key === "segment") return undefined;
        const record = decodeTailRecord(value);
        if (!replica.apply(record)) return undefined;
        if (record.kind === "claim") claimedAt = offset;
        return record.kind === "snapshot" && record.request === request ? claimedAt : undefined;
      };
    },
  });
  for (const { topic, partition, answer } of renewed) await log.trim(tailTopic(topic), partition, answer);
}
