import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { obtainJars } from "../../infra/kafka/services/jars.ts";
import { kafkaVersion, obtainJava } from "../../infra/kafka/services/kafka-program.ts";
import { TidemarkError } from "../../views/errors.ts";

const source = fileURLToPath(new URL("../kafka-streams/CountPerKeyAndHour.java", import.meta.url));
const howToGet =
  "Kafka Streams needs Maven to get its jars with (Debian: apt-get install maven; macOS: brew install maven)";
const closingMs = 20_000;

/** `bench/kafka-streams` in a JVM of its own, compiled as it starts. It takes commands; see there. */
export class StreamsProgram implements AsyncDisposable {
  readonly #child;
  readonly #ended: Promise<unknown>;
  readonly #folder: string;
  readonly #answers: AsyncIterator<string>;
  #said = "";

  /** Throws TIDEMARK_SERVICE_MISSING where there is no Java, or no Maven to get the jars with. */
  static async start(brokers: readonly string[], report: (what: string) => void): Promise<StreamsProgram> {
    const java = await obtainJava(report);
    const { classPath } = await obtainJars(
      {
        name: "Kafka Streams",
        version: kafkaVersion,
        artifacts: [`org.apache.kafka:kafka-streams:${kafkaVersion}`, "org.slf4j:slf4j-nop:1.7.36"],
        missing: (why) => new TidemarkError("TIDEMARK_SERVICE_MISSING", `${why}. ${howToGet}`),
      },
      report,
    );
    const folder = await mkdtemp(join(tmpdir(), "tidemark-streams-"));
    return new StreamsProgram([java.path, "-Xmx1g", "-cp", classPath, source], brokers.join(","), folder);
  }

  private constructor([java = "", ...args]: readonly string[], brokers: string, folder: string) {
    this.#folder = folder;
    this.#child = spawn(java, [...args, brokers, folder], { stdio: ["pipe", "pipe", "pipe"] });
    this.#ended = once(this.#child, "close");
    this.#child.stderr.on("data", (chunk) => {
      this.#said = (this.#said + chunk).slice(-4_000);
    });
    this.#answers = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  /** Resolves with the answer. */
  async ask(...words: readonly (string | number)[]): Promise<string> {
    this.#child.stdin.write(`${words.join(" ")}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`Kafka Streams ended:\n${this.#said}`);
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), closingMs);
    await this.#ended;
    clearTimeout(timer);
    await rm(this.#folder, { recursive: true, force: true });
  }
}
