import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Role, roleNames } from "../../../cli/cluster/role-names.ts";
import { dataFolder } from "../../../cli/data-folder.ts";
import app from "../../../examples/flights/app.ts";
import { recordDeclarations } from "../../../infra/declarations/declarations.ts";
import { type KafkaCluster, startKafka } from "../../../infra/kafka/services/kafka.ts";
import { type RedisNode, startRedis } from "../../../infra/kafka/services/redis.ts";
import { type KafkaSettings, kafkaSettings } from "../../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../../infra/kafka/topic-admin.ts";
import { wantedTopics } from "../../../infra/kafka/topics.ts";
import { Lifecycle } from "../../../infra/lifecycle.ts";
import { formatPosition, type Offset, parsePosition } from "../../../views/cut.ts";
import { Client, type Row } from "../client.ts";
import { compareNow, oracleOf } from "../compare-now.ts";
import { UpProcess } from "../up-process.ts";
import { Witness } from "./witness.ts";

const launcher = fileURLToPath(new URL("../../../cli/tidemark.mjs", import.meta.url));
const flights = fileURLToPath(new URL("../../../examples/flights/app.ts", import.meta.url));

export interface ClusterOptions {
  /** Default 1. */
  readonly brokers?: 1 | 3;
  /** How many processes of each role. Default: 1 gateway, 2 speed workers, 1 batch process, 2 serving nodes. */
  readonly processes?: Partial<Record<Role, number>>;
  /** How long a process that isn't heard of keeps its share of the work. Default 3,000 ms. */
  readonly sessionMs?: number;
}

const pollMs = 50;
/** After which something that should come back has not. */
const patienceMs = 120_000;

/** The flights app on a Kafka and a Redis of its own, each layer in processes of its own, as a user has it. */
export class ClusterPlatform implements AsyncDisposable {
  readonly kafka: KafkaCluster;
  readonly redis: RedisNode;
  readonly settings: KafkaSettings;
  readonly data: string;
  readonly sessionMs: number;
  /** Requests that were sent again in full, since no answer came. */
  sentAgain = 0;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #processes = new Map<Role, (UpProcess | undefined)[]>();
  readonly #lifecycle: Lifecycle;
  readonly #witness: Witness;
  /** By partition of the flights, what was acknowledged. */
  readonly #acknowledged = new Map<string, Map<number, Offset>>();

  static async start(options: ClusterOptions = {}): Promise<ClusterPlatform> {
    const { brokers = 1, processes = {}, sessionMs = 3_000 } = options;
    const lifecycle = new Lifecycle();
    try {
      const data = await mkdtemp(join(tmpdir(), "tidemark-faults-"));
      lifecycle.defer(() => rm(data, { recursive: true, force: true }));
      const config = { "group.min.session.timeout.ms": 500 };
      const [kafka, redis] = await Promise.all([
        startKafka({ brokers, config }).then((started) => lifecycle.use(started)),
        startRedis().then((started) => lifecycle.use(started)),
      ]);
      const environment = {
        KAFKA_BROKERS: kafka.brokers.join(","),
        REDIS_URL: redis.url,
        TIDEMARK_SESSION_MS: String(sessionMs),
      };
      const settings = kafkaSettings(environment);
      await deploy(settings, data);
      const witness = lifecycle.use(await Witness.begin(settings));
      const platform = new ClusterPlatform({
        kafka,
        redis,
        settings,
        data,
        sessionMs,
        environment,
        witness,
        lifecycle,
      });
      const counts = { ingestion: 1, speed: 2, batch: 1, serving: 2, ...processes };
      await Promise.all(
        roleNames.flatMap((role) =>
          Array.from({ length: counts[role] }, (_, number) => platform.start(role, number)),
        ),
      );
      return platform;
    } catch (error) {
      await lifecycle[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(parts: {
    readonly kafka: KafkaCluster;
    readonly redis: RedisNode;
    readonly settings: KafkaSettings;
    readonly data: string;
    readonly sessionMs: number;
    readonly environment: Readonly<Record<string, string>>;
    readonly witness: Witness;
    readonly lifecycle: Lifecycle;
  }) {
    this.kafka = parts.kafka;
    this.redis = parts.redis;
    this.settings = parts.settings;
    this.data = parts.data;
    this.sessionMs = parts.sessionMs;
    this.#environment = parts.environment;
    this.#witness = parts.witness;
    this.#lifecycle = parts.lifecycle;
    this.#lifecycle.defer(async () => {
      await Promise.all(this.#all.map((process) => process.kill()));
    });
  }

  /** Comes back once it listens. */
  async start(role: Role, number: number): Promise<void> {
    const args = ["--role", role, "--app", flights, "--data", this.data, "--port", "0", "--schedule", "none"];
    const of = this.#processes.get(role) ?? [];
    this.#processes.set(role, of);
    of[number] = undefined;
    of[number] = await UpProcess.start(args, this.#environment);
  }

  /** How many processes of a role there are or were. */
  count(role: Role): number {
    return this.#processes.get(role)?.length ?? 0;
  }

  process(role: Role, number: number): UpProcess {
    const process = this.#processes.get(role)?.[number];
    if (process === undefined) throw new Error(`${role} ${number} is not up`);
    return process;
  }

  kill(role: Role, number: number): Promise<void> {
    return this.process(role, number).kill();
  }

  /** SIGTERM. Throws unless it ends with 0. */
  async stop(role: Role, number: number): Promise<void> {
    const process = this.process(role, number);
    const code = await process.stop();
    if (code !== 0) throw new Error(`SIGTERM ended ${role} ${number} with ${code}:\n${process.said}`);
  }

  client(role: Role, number: number): Client {
    return new Client(this.process(role, number).url);
  }

  /** The serving nodes that are up. */
  get serving(): readonly Client[] {
    return (this.#processes.get("serving") ?? []).flatMap((process) =>
      process?.isAlive ? [new Client(process.url)] : [],
    );
  }

  get folder(): ReturnType<typeof dataFolder> {
    return dataFolder(this.data);
  }

  get #all(): readonly UpProcess[] {
    return [...this.#processes.values()].flat().filter((process) => process !== undefined);
  }

  /** Posts NDJSON as a producer does: what was not acknowledged is sent again, to whichever gateway is up. */
  async ingest(lines: string): Promise<string> {
    const { position } = await this.again("no gateway takes events", async () => {
      const gateway = this.#processes.get("ingestion")?.find((process) => process?.isAlive);
      if (gateway === undefined) throw new Error("no gateway is up");
      try {
        return await new Client(gateway.url).ingest(lines);
      } catch (error) {
        this.sentAgain++;
        throw error;
      }
    });
    for (const [topic, nexts] of parsePosition(position)) {
      const known = this.#acknowledged.get(topic) ?? new Map<number, Offset>();
      for (const [partition, next] of nexts)
        known.set(partition, Math.max(next, known.get(partition) ?? 0) as Offset);
      this.#acknowledged.set(topic, known);
    }
    return position;
  }

  /** All that was ever acknowledged. */
  get acknowledged(): string {
    return formatPosition(this.#acknowledged);
  }

  /** Asks for a run on whichever serving node is up. */
  startRun(): Promise<string> {
    return this.again("no run can be asked for", () => this.#anyServing().startRun());
  }

  /** Waits until the run has succeeded, and every serving node serves what it made. */
  async runIsDone(id: string): Promise<Row> {
    const run = await this.again(`run ${id} has not ended`, async () => {
      const shown = await this.#anyServing().get<Row>(`/v1/batch/runs/${id}`);
      if (shown.state === "queued" || shown.state === "running") throw new Error(JSON.stringify(shown));
      return shown;
    });
    if (run.state !== "succeeded") throw new Error(`run ${JSON.stringify(run)}`);
    for (const node of this.serving) await this.again("a run is not served", () => node.isServed(run));
    return run;
  }

  /** Every view on every serving node, held against the oracle at what was acknowledged; gives the number of rows. */
  async compareAll(when: string): Promise<number> {
    let rows = 0;
    await this.covered();
    const oracle = oracleOf((nexts) => this.#witness.before(nexts));
    for (const [number, node] of this.serving.entries()) {
      rows += await compareNow(node, oracle, `${when}, serving node ${number}`);
    }
    return rows;
  }

  /** Comes back once every serving node answers with what has been acknowledged by now. */
  async covered(): Promise<void> {
    const query = new URLSearchParams({ limit: "1", after: this.acknowledged, timeout: "5s" });
    for (const node of this.serving) {
      await this.again("what was acknowledged is not covered", () =>
        node.get(`/v1/views/totals-by-hour/rows?${query}`),
      );
    }
  }

  async flightsServed(): Promise<number> {
    const { rows } = await this.#anyServing().rows("totals-by-hour", {
      ...{ groupBy: "", measures: "flights" },
      ...(this.acknowledged === "" ? {} : { after: this.acknowledged, timeout: "30s" }),
    });
    return Number(rows[0]?.flights ?? 0);
  }

  /** Throws if any view of any run has ever drifted. */
  async requireNeverDrifted(): Promise<void> {
    const { reconciliations } = await this.#anyServing().get<{
      readonly reconciliations: readonly { readonly reconciliation: { readonly differing?: number } }[];
    }>("/v1/reconciliations?limit=1000");
    for (const each of reconciliations) {
      if ((each.reconciliation.differing ?? 0) > 0) throw new Error(`a run drifted: ${JSON.stringify(each)}`);
    }
  }

  /** Whether the run was held against what was served, every view of it. Throws if any has drifted. */
  isCompared({ id, result }: Row): boolean {
    const { generations } = result as {
      generations: readonly { readonly view: string; readonly differing: number | null }[];
    };
    for (const { view, differing } of generations) {
      if ((differing ?? 0) > 0) throw new Error(`run ${id}: view ${view} drifted by ${differing} keys`);
    }
    return generations.every(({ differing }) => differing !== null);
  }

  /** Stops every process, and has `tidemark verify` look at what they leave. Throws what it finds. */
  async verify(): Promise<void> {
    for (const [role, of] of this.#processes) {
      for (const [number, process] of of.entries()) if (process?.isAlive) await this.stop(role, number);
    }
    const args = [launcher, "verify", "--app", flights, "--data", this.data];
    await promisify(execFile)(process.execPath, args, {
      env: { ...process.env, ...this.#environment },
    }).catch((error: { readonly stdout?: string; readonly stderr?: string }) => {
      throw new Error(`verify:\n${error.stdout}${error.stderr}`, { cause: error });
    });
  }

  /** What the processes said last, for whoever has to find out why. */
  get said(): string {
    return [...this.#processes]
      .flatMap(([role, of]) => of.map((process, number) => `--- ${role} ${number}\n${process?.said ?? ""}`))
      .join("\n");
  }

  #anyServing(): Client {
    const [node] = this.serving;
    if (node === undefined) throw new Error("no serving node is up");
    return node;
  }

  /** Attempts it until it succeeds; throws the last failure when patience is at its end. */
  async again<T>(otherwise: string, attempt: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (performance.now() > deadline) {
          throw new Error(`${otherwise}: ${(error as Error).message}\n${this.said}`, { cause: error });
        }
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lifecycle[Symbol.asyncDispose]();
  }
}

async function deploy(settings: KafkaSettings, data: string): Promise<void> {
  const admin = new TopicAdmin(settings);
  try {
    await admin.apply(await admin.plan(wantedTopics(app)));
  } finally {
    await admin[Symbol.asyncDispose]();
  }
  await recordDeclarations(dataFolder(data).declarations, app, {});
}
