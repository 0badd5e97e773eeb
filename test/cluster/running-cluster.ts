import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import { pino } from "pino";
import { inject } from "vitest";
import type { RunningRole } from "../../cli/cluster/node.ts";
import { startRole } from "../../cli/cluster/role.ts";
import type { Role } from "../../cli/cluster/role-names.ts";
import { dataFolder } from "../../cli/data-folder.ts";
import { deadLetterTopics } from "../../infra/dead-letters/log-dead-letters.ts";
import { recordDeclarations } from "../../infra/declarations/declarations.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { tailTopic } from "../../infra/tail/tail-record.ts";
import { count, defineApp, defineEvent, defineView, sum, Type, tumbling } from "../../views/index.ts";

/** An app whose topics are no other test's. */
export function freshVisits() {
  const id = `t${randomBytes(6).toString("hex")}`;
  const visit = defineEvent({
    name: `test.${id}.visited`,
    schema: Type.Object({ place: Type.String(), stay: Type.Integer() }),
    key: (f) => f.place,
    partitions: 3,
    duplicatesWithin: 1_000,
  });
  const places = defineView({
    name: "places",
    from: visit,
    by: (f) => ({ place: f.place, hour: tumbling("1h") }),
    measures: (f) => ({ visits: count(), stay: sum(f.stay) }),
  });
  return { visit, app: defineApp({ name: id, views: [places], batch: { schedule: null } }) };
}

/** Roles of one app on the broker and the Redis that all tests share, each as a node of its own in this process. */
export class RunningCluster implements AsyncDisposable {
  readonly visit;
  readonly app;
  readonly data: string;
  /** What the nodes logged, from warnings on. */
  readonly said: string[] = [];
  readonly #lifecycle = new Lifecycle();

  static async deploy(): Promise<RunningCluster> {
    const cluster = new RunningCluster(await mkdtemp(join(tmpdir(), "tidemark-cluster-")));
    await cluster.#deploy();
    return cluster;
  }

  private constructor(data: string) {
    this.data = data;
    const { visit, app } = freshVisits();
    this.visit = visit;
    this.app = app;
    this.#lifecycle.defer(() => rm(data, { recursive: true, force: true }));
  }

  async #deploy(): Promise<void> {
    const admin = new Kafka({ brokers: [...inject("kafkaBrokers")], logLevel: logLevel.ERROR }).admin();
    await admin.connect();
    const { name, partitions } = this.visit;
    const topics = [
      { name, partitions },
      { name: tailTopic(name), partitions },
      ...deadLetterTopics(this.app.name, [name]),
    ];
    await admin.createTopics({
      waitForLeaders: true,
      topics: topics.map((topic) => ({ topic: topic.name, numPartitions: topic.partitions })),
    });
    this.#lifecycle.defer(async () => {
      await admin.deleteTopics({ topics: topics.map((topic) => topic.name) });
      await admin.disconnect();
    });
    await recordDeclarations(dataFolder(this.data).declarations, this.app, {});
  }

  async start(role: Role): Promise<RunningRole> {
    const running = await startRole(role, {
      app: this.app,
      appPath: "app.ts",
      data: this.data,
      host: "127.0.0.1",
      port: 0,
      logger: pino({ level: "warn" }, { write: (line) => void this.said.push(line) }),
      environment: { KAFKA_BROKERS: inject("kafkaBrokers").join(","), REDIS_URL: inject("redisUrl") },
    });
    let isClosed = false;
    const once = {
      ...running,
      [Symbol.asyncDispose]: async () => {
        if (!isClosed) await running[Symbol.asyncDispose]();
        isClosed = true;
      },
    };
    return this.#lifecycle.use(once);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lifecycle[Symbol.asyncDispose]();
  }
}
