import { join } from "node:path";
import { TidemarkError } from "../../../views/errors.ts";
import { obtainJars } from "./jars.ts";
import { canInstall, findProgram, install, isExecutable, run } from "./programs.ts";

export const kafkaVersion = "4.1.1";
const leastJava = 17;
const howToGet =
  `Kafka ${kafkaVersion} needs Java ${leastJava} or later and Maven ` +
  "(Debian: apt-get install openjdk-17-jre-headless maven; macOS: brew install openjdk maven), " +
  "or name a running broker: KAFKA_BROKERS=host:9092";

/** What it takes to start a broker: `java …options -cp classPath kafka.Kafka`. */
export interface KafkaProgram {
  readonly java: string;
  readonly javaVersion: string;
  readonly options: readonly string[];
  readonly classPath: string;
  /** Where the jars are. */
  readonly folder: string;
}

/**
 * Apache Kafka's jars, out of the cache folder, or by Maven into it. Throws TIDEMARK_SERVICE_MISSING, which says how they
 * can be had.
 */
export async function obtainKafka(report: (what: string) => void = () => undefined): Promise<KafkaProgram> {
  const java = await obtainJava(report);
  const { folder, classPath } = await obtainJars(
    {
      name: "Kafka",
      version: kafkaVersion,
      // The binding that Kafka's own start scripts bring along: without it a broker is silent about what is wrong.
      artifacts: [
        `org.apache.kafka:kafka_2.13:${kafkaVersion}`,
        "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
      ],
      missing,
    },
    report,
  );
  return {
    java: java.path,
    javaVersion: java.version,
    options: ["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
    classPath,
    folder,
  };
}

export interface Java {
  readonly path: string;
  readonly version: string;
}

/** Throws TIDEMARK_SERVICE_MISSING. */
export async function obtainJava(report: (what: string) => void): Promise<Java> {
  const found = await findJava();
  if (found !== undefined) return found;
  if (await canInstall()) {
    // Debian has one or the other, by its age.
    for (const name of ["openjdk-17-jre-headless", "openjdk-21-jre-headless"]) {
      if (!(await install([name], report))) continue;
      const installed = await findJava();
      if (installed !== undefined) return installed;
    }
  }
  throw missing(`there is no Java ${leastJava} or later here`);
}

async function findJava(): Promise<Java | undefined> {
  const { JAVA_HOME } = process.env;
  const ofHome = JAVA_HOME === undefined ? undefined : join(JAVA_HOME, "bin", "java");
  const path = ofHome !== undefined && (await isExecutable(ofHome)) ? ofHome : await findProgram("java");
  if (path === undefined) return undefined;
  // `openjdk version "17.0.15"`; before Java 9 it was "1.8". macOS has a `java` that only says where to get one.
  const version = /version "((\d+)[^"]*)"/.exec((await run(path, ["-version"])).output);
  return Number(version?.[2] ?? 0) >= leastJava ? { path, version: version?.[1] ?? "" } : undefined;
}

function missing(why: string): TidemarkError {
  return new TidemarkError("TIDEMARK_SERVICE_MISSING", `${why}. ${howToGet}`);
}
