import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Generations } from "../../infra/generations/generations.ts";
import type { Log } from "../../infra/log/log.ts";
import { Peer } from "../../infra/peer.ts";
import { channelToChild } from "../../infra/process-channel.ts";
import { SpeedWorker } from "../../speed-layer/worker.ts";
import type { App } from "../../views/app.ts";
import type { EventType } from "../../views/event.ts";

/** A part of a topic, and how many records stand there. */
export interface Share {
  readonly partitions: readonly number[];
  readonly events: number;
}

/** A speed worker that folds when it is told to. */
export interface Folder {
  /** Resolves once it has folded so many records of these partitions into every view. It stays their owner. */
  fold(share: Share): Promise<void>;
  /** Ends its ownership. */
  rest(): Promise<void>;
}

export interface FolderParts {
  /** Its views are folded. */
  readonly app: App;
  /** The one event type that they are of. */
  readonly type: EventType;
  /** Has the topic and its tail topic. */
  readonly log: Log;
  /** Without any. */
  readonly generations: Pick<Generations, "current" | "watch">;
}

/** In this process. */
export class LocalFolder implements Folder {
  readonly #parts: FolderParts;
  #worker: SpeedWorker | undefined;

  constructor(parts: FolderParts) {
    this.#parts = parts;
  }

  async fold({ partitions, events }: Share): Promise<void> {
    if (events === 0) return;
    const { app, type, log, generations } = this.#parts;
    let left = events;
    let allFolded: () => void = () => {};
    const folded = new Promise<void>((resolve) => {
      allFolded = resolve;
    });
    const counted = countingLog(log, type.name, (records) => {
      left -= records;
      if (left <= 0) allFolded();
    });
    const unexpected = (error: unknown) => {
      throw error;
    };
    this.#worker = new SpeedWorker({
      ...{ app, log: counted, generations, newId: randomUUID },
      limits: { entries: Number.POSITIVE_INFINITY },
      onTailNearBound: () => {},
      onUnaligned: (_view, error) => unexpected(error),
      onGap: unexpected,
    });
    this.#worker.assign({ [type.name]: partitions });
    await Promise.race([folded, this.#worker.done]);
  }

  async rest(): Promise<void> {
    await this.#worker?.[Symbol.asyncDispose]();
    this.#worker = undefined;
  }
}

/** In a process of its own, of the flights on this Kafka. */
export class FolderProcess implements Folder, AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #peer: Peer;

  static async start(brokers: readonly string[]): Promise<FolderProcess> {
    const program = fileURLToPath(new URL("./folder-process.ts", import.meta.url));
    const child = fork(program, [brokers.join(",")], { execArgv: ["--import", "tsx/esm"] });
    const started = new FolderProcess(child);
    await started.#peer.call("ready", null);
    return started;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#peer = new Peer(channelToChild(child), {});
  }

  async fold(share: Share): Promise<void> {
    await this.#peer.call("fold", share);
  }

  async rest(): Promise<void> {
    await this.#peer.call("rest", null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }
}

/** The log, with the records of one topic counted as they have been handled. */
function countingLog(log: Log, topic: string, onHandled: (records: number) => void): Log {
  return {
    topics: log.topics,
    append: (records) => log.append(records),
    starts: (name) => log.starts(name),
    nexts: (name) => log.nexts(name),
    read: (name, partition, from, next) => log.read(name, partition, from, next),
    trim: (name, partition, before) => log.trim(name, partition, before),
    consume: (consumption) =>
      log.consume({
        ...consumption,
        position: (partition) => consumption.position(partition),
        handle: async (batch) => {
          await consumption.handle(batch);
          if (consumption.topic === topic) onHandled(batch.records.length);
        },
      }),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}
