import { mkdir, mkdtemp, readdir, realpath, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TidemarkError } from "../../../views/errors.ts";
import { cacheFolder } from "./cache-folder.ts";
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
  const cached = join(cacheFolder(), `kafka-${kafkaVersion}`);
  const jars = (await listJars(cached)) ?? (await download(cached, report));
  // Its one real name, and that of each jar: an archive of classes is of a class path word for word.
  const folder = await realpath(cached);
  return {
    java: java.path,
    javaVersion: java.version,
    options: ["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
    classPath: jars.map((jar) => join(folder, jar)).join(":"),
    folder,
  };
}

interface Java {
  readonly path: string;
  readonly version: string;
}

async function listJars(folder: string): Promise<string[] | undefined> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith(".jar")).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function obtainJava(report: (what: string) => void): Promise<Java> {
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

async function obtainMaven(report: (what: string) => void): Promise<string> {
  const found = await findProgram("mvn");
  if (found !== undefined) return found;
  if ((await canInstall()) && (await install(["maven"], report))) {
    const installed = await findProgram("mvn");
    if (installed !== undefined) return installed;
  }
  throw missing(`there is no Maven here to get Kafka's jars with`);
}

/** Into a folder of its own first: others see all jars or none, and of two who download at once one wins. */
async function download(folder: string, report: (what: string) => void): Promise<string[]> {
  const maven = await obtainMaven(report);
  await mkdir(cacheFolder(), { recursive: true });
  const draft = await mkdtemp(`${folder}.`);
  try {
    await writeFile(join(draft, "pom.xml"), pom);
    let count = 0;
    report(`Kafka ${kafkaVersion}: downloading by Maven`);
    const { code, output } = await run(
      maven,
      ["--batch-mode", "--file", join(draft, "pom.xml"), copy, `-DoutputDirectory=${join(draft, "jars")}`],
      (line) => {
        const file = /^\[INFO\] Downloaded from .*\/([^/ ]+\.jar) /.exec(line)?.[1];
        if (file !== undefined) report(`Kafka ${kafkaVersion}: ${++count} files, ${file}`);
      },
    );
    if (code !== 0) throw missing(`Maven could not get Kafka's jars:\n${output.trim().slice(-2_000)}\n`);
    await rename(join(draft, "jars"), folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return (await listJars(folder)) ?? [];
}

const copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

// The binding that Kafka's own start scripts bring along: without it a broker is silent about what is wrong.
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tidemark</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${kafkaVersion}</version>
      <scope>runtime</scope>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.24.3</version>
      <scope>runtime</scope>
    </dependency>
  </dependencies>
</project>
`;

function missing(why: string): TidemarkError {
  return new TidemarkError("TIDEMARK_SERVICE_MISSING", `${why}. ${howToGet}`);
}
