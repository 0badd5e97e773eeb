import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { inject } from "vitest";
import type { RunningRole } from "../../cli/cluster/node.ts";
import { startRole } from "../../cli/cluster/role.ts";
import type { Role } from "../../cli/cluster/role-names.ts";
import { dataFolder } from "../../cli/data-folder.ts";
import { recordDeclarations } from "../../infra/declarations/declarations.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";
import { wantedTopics } from "../../infra/kafka/topics.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { count, defineApp, defineEvent, defineView, sum, Type, tumbling } from "../../views/index.ts";

/** An app whose topics are no other test's; with a second version of its view, which counts twice as long a stay. */
export function freshVisits(hasSecond = false) {
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
  const second = defineView({
    name: "places",
    version: 2,
    from: visit,
    by: (f) => ({ place: f.place, hour: tumbling("1h") }),
    measures: (f) => ({ visits: count(), stay: sum(f.stay.times(2)) }),
  });
  const views = hasSecond ? [places, second] : [places];
  return { visit, app: defineApp({ name: id, views, batch: { schedule: null } }) };
}

/** Roles of one app on the broker and the Redis that all tests share, each as a node of its own in this process. */
export class RunningCluster implements AsyncDisposable {
  readonly visit;
  readonly app;
  readonly data: string;
  /** What the nodes logged, from warnings on. */
  readonly said: string[] = [];
  readonly #lifecycle = new Lifecycle();

  static async deploy(hasSecond = false): Promise<RunningCluster> {
    const cluster = new RunningCluster(await mkdtemp(join(tmpdir(), "tidemark-cluster-")), hasSecond);
    await cluster.#deploy();
    return cluster;
  }

  private constructor(data: string, hasSecond: boolean) {
    this.data = data;
    const { visit, app } = freshVisits(hasSecond);
    this.visit = visit;
    this.app = app;
    this.#lifecycle.defer(() => rm(data, { recursive: true, force: true }));
  }

  async #deploy(): Promise<void> {
    const admin = new TopicAdmin(kafkaSettings({ KAFKA_BROKERS: inject("kafkaBrokers").join(",") }));
    const wanted = wantedTopics(this.app);
    this.#lifecycle.defer(async () => {
      await admin.delete(wanted.map(({ name }) => name));
      await admin[Symbol.asyncDispose]();
    });
    await admin.apply(await admin.plan(wanted));
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
      security: {},
      drain: { noticeMs: 0, withinMs: 10_000 },
      tracing: undefined,
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
