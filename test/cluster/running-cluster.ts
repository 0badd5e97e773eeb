import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { inject } from "vitest";
import type { NodeOptions, RunningRole } from "../../cli/cluster/node.ts";
import { startRole } from "../../cli/cluster/role.ts";
import type { Role } from "../../cli/cluster/role-names.ts";
import { dataFolder } from "../../cli/data-folder.ts";
import { makeSharedKeys } from "../../cli/subject-keys.ts";
import { clusterStores } from "../../cli/verify/cluster-stores.ts";
import type { CheckedStores } from "../../cli/verify/run-checks.ts";
import { recordDeclarations } from "../../infra/declarations/declarations.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";
import { wantedTopics } from "../../infra/kafka/topics.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import type { App } from "../../views/app.ts";
import { freshVisits } from "./visits.ts";

/** Visits and flights, and an app that has views of them. */
interface Visits extends Pick<ReturnType<typeof freshVisits>, "visit" | "flight"> {
  readonly app: App;
}

/** How soon who is killed is missed, where a test kills somebody: a Kafka that is not ours may not take less than 6 s. */
export const shortSessionMs = process.env.KAFKA_BROKERS === undefined ? 2_000 : 6_000;

/** Roles of one app on the broker and the Redis that all tests share, each as a node of its own in this process. */
export class RunningCluster implements AsyncDisposable {
  readonly visit: Visits["visit"];
  readonly flight: Visits["flight"];
  readonly app: App;
  readonly data: string;
  /** What the nodes logged, from warnings on. */
  readonly said: string[] = [];
  readonly #sessionMs: number | undefined;
  readonly #lifecycle = new Lifecycle();

  static async deploy(hasSecond = false): Promise<RunningCluster> {
    return RunningCluster.deployVisits(freshVisits({ hasSecond }));
  }

  static async deployVisits(visits: Visits, sessionMs?: number): Promise<RunningCluster> {
    const folder = await mkdtemp(join(tmpdir(), "tidemark-cluster-"));
    const cluster = new RunningCluster(folder, visits, sessionMs);
    await cluster.#deploy();
    return cluster;
  }

  private constructor(data: string, { visit, flight, app }: Visits, sessionMs: number | undefined) {
    this.data = data;
    this.#sessionMs = sessionMs;
    this.visit = visit;
    this.flight = flight;
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
    const { app, environment } = this;
    const folder = dataFolder(this.data);
    await makeSharedKeys({ app, folder, environment });
    await recordDeclarations(folder.declarations, app, {});
  }

  /** Where nodes find Kafka and Redis. */
  get environment(): Readonly<Record<string, string>> {
    return {
      KAFKA_BROKERS: inject("kafkaBrokers").join(","),
      REDIS_URL: inject("redisUrl"),
      TIDEMARK_SHRED_KEY: Buffer.alloc(32, 7).toString("base64"),
      ...(this.#sessionMs === undefined ? {} : { TIDEMARK_SESSION_MS: String(this.#sessionMs) }),
    };
  }

  async start(role: Role, more: Pick<NodeOptions, "archiving" | "cold"> = {}): Promise<RunningRole> {
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
      environment: this.environment,
      ...more,
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

  /** As `tidemark verify` has them. */
  stores(lifecycle: Lifecycle): Promise<CheckedStores> {
    const { app, data, environment } = this;
    return clusterStores({ app, folder: dataFolder(data) }, { environment }, lifecycle);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lifecycle[Symbol.asyncDispose]();
  }
}
