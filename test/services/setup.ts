import type { TestProject } from "vitest/node";
import { startKafka } from "../../infra/kafka/services/kafka.ts";
import { obtainKafka } from "../../infra/kafka/services/kafka-program.ts";
import { obtainKcat } from "../../infra/kafka/services/kcat.ts";
import { obtainPostgres } from "../../infra/kafka/services/postgres.ts";
import { obtainPromtool } from "../../infra/kafka/services/promtool.ts";
import { obtainRedis, startRedis } from "../../infra/kafka/services/redis.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { TidemarkError } from "../../views/errors.ts";
import { obtainChromium } from "../browser/obtain-chromium.ts";
import { needsOf, type ServiceName } from "./needs.ts";

/** Why a service is not there, and what that means for the tests that need it. */
export interface Absence {
  readonly why: string;
  /** It could not be had here, which is no failure but under CI; else it could, and did not start. */
  readonly isFailure: boolean;
}

declare module "vitest" {
  interface ProvidedContext {
    /** `host:port` of a broker that all tests share: topics and groups have names of their own, see `freshTopics`. */
    readonly kafkaBrokers: readonly string[];
    /** Of a Redis that all tests share: keys have a prefix of their own. */
    readonly redisUrl: string;
    /** The program: a producer of Kafka that is not ours. */
    readonly kcat: string;
    /** The program: a browser. */
    readonly chromium: string;
    /** The program that checks what Prometheus is to read. */
    readonly promtool: string;
    readonly absentServices: Partial<Record<ServiceName, Absence>>;
  }
}

/** Starts what the chosen tests need, unless KAFKA_BROKERS or REDIS_URL names it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { CI, KAFKA_BROKERS, REDIS_URL } = process.env;
  const isCi = CI !== undefined && CI !== "" && CI !== "false";
  const needed = new Set(project.vitest.state.getPaths().flatMap(needsOf));
  const lifecycle = new Lifecycle();
  const absent: Partial<Record<ServiceName, Absence>> = {};
  const report = (what: string) => process.stderr.write(`${what}\n`);

  const begin = async <T>(name: ServiceName, none: T, start: () => Promise<T>): Promise<T> => {
    if (!needed.has(name)) return none;
    try {
      return await start();
    } catch (error) {
      const isMissing = error instanceof TidemarkError && error.code === "TIDEMARK_SERVICE_MISSING";
      absent[name] = { why: (error as Error).message, isFailure: isCi || !isMissing };
      return none;
    }
  };
  await begin("programs", undefined, async () => {
    await obtainKafka(report);
    await obtainRedis(report);
  });
  // Not beside the others: apt-get lets only one install at a time.
  const kcat = await begin("kcat", "", () => obtainKcat(report));
  const chromium = await begin("chromium", "", () => obtainChromium(report));
  const promtool = await begin("promtool", "", () => obtainPromtool(report));
  await begin("postgres", undefined, async () => void (await obtainPostgres(report)));
  const [kafkaBrokers, redisUrl] = await Promise.all([
    begin<readonly string[]>("kafka", [], async () =>
      KAFKA_BROKERS === undefined
        ? lifecycle.use(
            await startKafka({ brokers: 1, report, config: { "group.min.session.timeout.ms": 500 } }),
          ).brokers
        : KAFKA_BROKERS.split(","),
    ),
    begin("redis", "", async () => REDIS_URL ?? lifecycle.use(await startRedis({ report })).url),
  ]);
  project.provide("kafkaBrokers", kafkaBrokers);
  project.provide("redisUrl", redisUrl);
  project.provide("kcat", kcat);
  project.provide("chromium", chromium);
  project.provide("promtool", promtool);
  project.provide("absentServices", absent);
  return () => lifecycle[Symbol.asyncDispose]();
}
