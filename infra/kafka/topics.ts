import type { App } from "../../views/app.ts";
import { changesTopic } from "../../views/changes-topic.ts";
import type { EventType } from "../../views/event.ts";
import { parseDuration } from "../../views/time.ts";
import type { View } from "../../views/view.ts";
import { changesPartitions, publishedViews } from "../changes/published-views.ts";
import { letterTopic } from "../dead-letters/letter-record.ts";
import type { Topic } from "../log/log.ts";
import { tailTopic } from "../tail/tail-record.ts";
import type { TopicConfig } from "./topic-requests.ts";

/** A topic that a cluster needs, as it should be. */
export interface WantedTopic extends Topic {
  readonly what: "events" | "tail" | "dead letters" | "changes" | "clock";
  /** Undefined: as many as there are brokers, up to 3. */
  readonly replication: number | undefined;
  /** Undefined: one less than its replicas, and at least one. */
  readonly minInsyncReplicas: number | undefined;
  readonly config: TopicConfig;
}

/** Where a process asks a broker what time it is, by appending a record to it. */
export function clockTopic(app: string): string {
  return `${app}.clock`;
}

/** Every topic that a cluster needs for the app. */
export function wantedTopics(app: App): readonly WantedTopic[] {
  return [
    ...app.events.flatMap((event) => [ofEvents(event), ofTail(event), ofDeadLetters(app, event)]),
    ofDeadLetters(app),
    ...publishedViews(app).map((view) => ofChanges(app, view)),
    {
      ...copies(undefined),
      name: clockTopic(app.name),
      what: "clock",
      partitions: 1,
      config: { ...common, "message.timestamp.type": "LogAppendTime", "retention.ms": String(3_600_000) },
    },
  ];
}

const dayMs = 86_400_000;

/**
 * Whatever producers send, the broker stores it so that it can be read here. What is deleted stays on a broker's disk
 * as long as its segment: none takes records for more than a day.
 */
const common = {
  "segment.ms": String(dayMs),
  "cleanup.policy": "delete",
  "compression.type": "uncompressed",
  "retention.bytes": "-1",
  // A replica that missed acknowledged records must not lead.
  "unclean.leader.election.enable": "false",
};

/** An event of 1 MiB, the most that the gateway takes, with what goes around it. */
const eventBytes = String(2 * 1024 * 1024);
/** A flush record holds states of many keys. */
const flushBytes = String(16 * 1024 * 1024);
const weekMs = 7 * dayMs;

function ofEvents(event: EventType): WantedTopic {
  const { retention, compression } = event.topic;
  const retentionMs =
    retention === null ? -1 : retention === undefined ? weekMs : (parseDuration(retention) ?? weekMs);
  return {
    ...copies(event),
    name: event.name,
    what: "events",
    partitions: event.partitions,
    config: {
      ...common,
      ...(compression === "gzip" ? { "compression.type": "gzip" } : {}),
      "retention.ms": String(retentionMs),
      "max.message.bytes": eventBytes,
    },
  };
}

/** Its records go when they are trimmed, as a generation covers them; never by age. */
function ofTail(event: EventType): WantedTopic {
  return {
    ...copies(event),
    name: tailTopic(event.name),
    what: "tail",
    partitions: event.partitions,
    config: { ...common, "retention.ms": "-1", "max.message.bytes": flushBytes },
  };
}

/** Of an event type, or of what is of none that the app knows. One partition: they are few, and listed in order. */
function ofDeadLetters(app: App, event?: EventType): WantedTopic {
  return {
    ...copies(event),
    name: letterTopic(app.name, event?.name ?? null),
    what: "dead letters",
    partitions: 1,
    config: { ...common, "retention.ms": "-1", "max.message.bytes": eventBytes },
  };
}

/**
 * The last record of each key is kept for good; who reads from the beginning has every row. What a row was before, and one that is
 * gone, is let go of a day after it was told, and the end of a row a day later.
 */
function ofChanges(app: App, view: View): WantedTopic {
  return {
    ...copies(view.mappings[0]?.event),
    name: changesTopic(app.name, view),
    what: "changes",
    partitions: changesPartitions(view),
    config: {
      ...common,
      "cleanup.policy": "compact",
      "max.compaction.lag.ms": String(dayMs),
      "delete.retention.ms": String(dayMs),
      "retention.ms": "-1",
      "max.message.bytes": eventBytes,
    },
  };
}

function copies(event: EventType | undefined): Pick<WantedTopic, "replication" | "minInsyncReplicas"> {
  return { replication: event?.topic.replication, minInsyncReplicas: event?.topic.minInsyncReplicas };
}
