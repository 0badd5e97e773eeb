import { mkdir } from "node:fs/promises";
import { availableParallelism, hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { longestIntervalMs } from "../../batch-layer/schedule.ts";
import { changesTopics } from "../../infra/changes/published-views.ts";
import { deadLetterTopics, LogDeadLetters } from "../../infra/dead-letters/log-dead-letters.ts";
import {
  type Declarations,
  overRecords,
  readDeclarations,
  requireChangesAllowed,
} from "../../infra/declarations/declarations.ts";
import { readDimensionFiles } from "../../infra/dimensions/dimension-file.ts";
import { type DrainTimes, drain } from "../../infra/drain.ts";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import { createServer } from "../../infra/http.ts";
import { BullmqJobs } from "../../infra/jobs/bullmq-jobs.ts";
import type { RunHandler } from "../../infra/jobs/jobs.ts";
import { checkKafka } from "../../infra/kafka/check-kafka.ts";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { type KafkaSettings, kafkaSettings } from "../../infra/kafka/settings.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import type { Log, Topic } from "../../infra/log/log.ts";
import { RedisLink } from "../../infra/redis/redis-link.ts";
import { parseRedisUrl } from "../../infra/redis/redis-url.ts";
import { tailTopic } from "../../infra/tail/tail-record.ts";
import type { Tracing } from "../../infra/tracing.ts";
import type { KeepArchivingOptions } from "../../ingestion/keep-archiving.ts";
import type { App } from "../../views/app.ts";
import { TidemarkError } from "../../views/errors.ts";
import { isRecomputed } from "../../views/layers.ts";
import type { ColdOptions } from "../cold-options.ts";
import { dataFolder } from "../data-folder.ts";
import { undeclaredTypes } from "../erasures.ts";
import { memoryBytes } from "../memory.ts";
import type { Security } from "../security.ts";
import { type ClearLog, clusterInClear } from "../subject-keys.ts";
import { type DriftOptions, tellingDrift } from "../telling-drift.ts";

export interface NodeOptions extends DriftOptions {
  readonly appPath: string;
  /** The folder that all nodes share. */
  readonly data: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Whom it answers; of nothing said, everybody who reaches it. */
  readonly security: Security;
  readonly drain: DrainTimes;
  readonly tracing: Tracing | undefined;
  /** Of a batch role: without it no file of the master dataset goes elsewhere. */
  readonly cold?: ColdOptions;
  /** How often a batch role archives, where that is not once a minute. */
  readonly archiving?: Pick<KeepArchivingOptions, "everyMs" | "lookMs">;
  /** Where KAFKA_*, REDIS_URL, TIDEMARK_SESSION_MS and TIDEMARK_SHRED_KEY are read. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A batch run is taken for left by its process after so many sessions: to begin it anew takes longer than to wait. */
const sessionsPerRun = 6;

/** A process of a cluster, whatever its role: what it reaches the stores by. What it opens closes with the lifecycle. */
export class ClusterNode {
  readonly app: App;
  /** Event types that the shared folder has facts of and the app does not declare. */
  readonly undeclared: readonly string[];
  readonly logger: Logger;
  readonly folder: ReturnType<typeof dataFolder>;
  readonly kafka: KafkaSettings;
  readonly topics: readonly Topic[];
  /** How long a process that isn't heard of keeps its share of the work. */
  readonly sessionMs: number;
  readonly #options: NodeOptions;
  readonly #lifecycle: Lifecycle;

  static async open(options: NodeOptions, lifecycle: Lifecycle): Promise<ClusterNode> {
    const folder = dataFolder(options.data);
    const declarations = await readDeclarations(folder.declarations);
    requireChangesAllowed(options.app, declarations);
    if (options.app.events.some(({ name }) => !declarations.types.has(name))) {
      throw new TidemarkError(
        "TIDEMARK_CONFIG",
        `app "${options.app.name}" was not deployed to ${resolve(options.data)} as it is declared now: tidemark topics apply --app ${options.appPath} --data ${options.data}`,
      );
    }
    requireLeavable(options.app);
    const node = new ClusterNode(options, declarations, lifecycle);
    await checkKafka({ settings: node.kafka, app: node.app, batchIntervalMs: longestIntervalMs(node.app) });
    return node;
  }

  /** The handler; what its runs find of drift is told, as long as `lifecycle` lasts. */
  tellingDrift(handler: RunHandler, lifecycle: Lifecycle): RunHandler {
    return tellingDrift(handler, this.#options, lifecycle);
  }

  private constructor(options: NodeOptions, declarations: Declarations, lifecycle: Lifecycle) {
    const app = overRecords(options.app, declarations);
    this.#options = options;
    this.#lifecycle = lifecycle;
    this.app = app;
    this.undeclared = undeclaredTypes(app, declarations);
    this.logger = options.logger;
    this.folder = dataFolder(options.data);
    this.kafka = kafkaSettings(options.environment);
    this.sessionMs = sessionOf(options.environment);
    this.topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
  }

  /** The log with the topics of the events, those of the tail, of the dead letters and of changes. */
  async openLog(): Promise<ClearLog> {
    const stored = this.#lifecycle.use(
      await KafkaLog.open({
        settings: this.kafka,
        topics: [
          ...this.topics,
          ...this.topics.map(({ name, partitions }) => ({ name: tailTopic(name), partitions })),
          ...deadLetterTopics(this.app.name, this.#typeNames),
          ...changesTopics(this.app),
        ],
        warn: (message) => this.logger.warn(message),
      }),
    );
    const { app, folder } = this;
    const { environment } = this.#options;
    return clusterInClear({ stored, app, folder, environment }, this.#lifecycle);
  }

  deadLetters(log: Log): LogDeadLetters {
    return this.#lifecycle.use(new LogDeadLetters({ log, app: this.app.name, types: this.#typeNames }));
  }

  async openJobs(newId: () => string): Promise<BullmqJobs> {
    const link = await RedisLink.open({
      address: parseRedisUrl(this.#options.environment.REDIS_URL ?? "", "REDIS_URL"),
      warn: (message) => this.logger.warn(message),
    });
    return this.#lifecycle.use(
      await BullmqJobs.open({
        link,
        app: this.app.name,
        clock: Date.now,
        newId,
        lockMs: this.sessionMs * sessionsPerRun,
        failed: (err) => this.logger.error({ err }, "the queue of runs failed; it is tried again"),
      }),
    );
  }

  /** A folder for what DuckDB spills, of this process alone: in containers all have one process id. */
  async makeScratch(): Promise<string> {
    const scratch = join(this.folder.scratch, `${hostname()}-${process.pid}`);
    await mkdir(scratch, { recursive: true });
    return scratch;
  }

  /** For whoever only reads. */
  generations(root = this.folder.generations): GenerationsFolder {
    return GenerationsFolder.read({
      root,
      onWatchError: (err) => this.logger.error({ err }, "the generations can't be read"),
    });
  }

  get appPath(): string {
    return this.#options.appPath;
  }

  readDimensionFiles() {
    return readDimensionFiles(this.app, dirname(this.#options.appPath));
  }

  createServer(): FastifyInstance {
    const { security, tracing } = this.#options;
    return createServer({ loggerInstance: this.logger, tracing, ...security });
  }

  /** Begins to answer, and ends with requests in hand answered, before what was opened until now is closed. */
  async listen(server: FastifyInstance): Promise<string> {
    const { host, port, drain: times } = this.#options;
    this.#lifecycle.defer(() => drain(server, times));
    return server.listen({ host, port });
  }

  get cold(): ColdOptions | undefined {
    return this.#options.cold;
  }

  get archiving(): NodeOptions["archiving"] {
    return this.#options.archiving;
  }

  get audit(): Logger | undefined {
    return this.#options.security.audit;
  }

  get tracing(): Tracing | undefined {
    return this.#options.tracing;
  }

  get #typeNames(): readonly string[] {
    return this.topics.map(({ name }) => name);
  }
}

/** Kafka takes 6 s to 30 min, unless its brokers are set otherwise. */
function sessionOf({ TIDEMARK_SESSION_MS: text = "10000" }: NodeOptions["environment"]): number {
  const sessionMs = Number(text);
  if (Number.isSafeInteger(sessionMs) && sessionMs >= 500 && sessionMs <= 1_800_000) return sessionMs;
  throw new TidemarkError(
    "TIDEMARK_CONFIG",
    `TIDEMARK_SESSION_MS must be whole milliseconds from 500 to 1800000, not "${text}"`,
  );
}

/** A role that runs. */
export interface RunningRole extends AsyncDisposable {
  readonly url: string;
  /** Rejects when it can't go on. */
  readonly done: Promise<void>;
}

/** `GET /healthz` and `GET /readyz` of a role that has no other routes; `obstacles` says why it can't do its work. */
export function registerHealth(
  server: FastifyInstance,
  role: string,
  obstacles: () => readonly string[] | Promise<readonly string[]>,
): void {
  server.get("/healthz", () => ({ status: "up", role }));
  server.get("/readyz", async () => {
    const reasons = await obstacles();
    if (reasons.length > 0) throw new TidemarkError("TIDEMARK_NOT_READY", reasons.join("; "));
    return { status: "ready", role };
  });
}

/** What one DuckDB may take of this machine. */
export function duckdbShare(): { readonly memoryLimit: string; readonly threads: number } {
  return {
    memoryLimit: `${Math.max(256, Math.floor(memoryBytes() / 4 / 1024 ** 2))}MB`,
    threads: Math.max(1, availableParallelism() - 1),
  };
}

/**
 * A view of the speed layer alone is folded from all records: of a topic none can be left out afterwards. Throws
 * TIDEMARK_CONFIG.
 */
function requireLeavable({ name, views }: App): void {
  for (const view of views.filter((each) => !isRecomputed(each))) {
    const kept = view.mappings.find(({ event }) => event.keep !== null);
    if (kept === undefined) continue;
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `app "${name}": view "${view.name}" is declared with layers: "speed", and its event type "${kept.event.name}" with keep: "${kept.event.keep}": in a cluster facts that have left would go on counting in such a view; give it both layers, or keep its facts for ever`,
    );
  }
}
