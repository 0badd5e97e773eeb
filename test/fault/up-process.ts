import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const launcher = fileURLToPath(new URL("../../cli/tidemark.mjs", import.meta.url));

/** How much of what it said last is kept, to be shown when something went wrong. */
const keptCharacters = 20_000;

/** A running `tidemark up`, as a user has it: the whole process tree, in a process group of its own. */
export class UpProcess {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #said: () => string;

  private constructor(process: ChildProcess, url: string, said: () => string) {
    this.#process = process;
    this.url = url;
    this.#said = said;
  }

  /** Comes back once it says where it listens. */
  static async start(
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<UpProcess> {
    // A process group of its own: SIGKILL of the group leaves nobody of the tree to tidy up.
    const child = spawn(process.execPath, [launcher, "up", ...args], {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...environment },
    });
    let output = "";
    const url = await new Promise<string>((resolve, reject) => {
      const read = (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-keptCharacters);
        const match = /(http:\/\/127\.0\.0\.1:\d+)/.exec(output);
        if (match?.[1] !== undefined) resolve(match[1]);
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.once("exit", (code) =>
        reject(new Error(`up ended with ${code} before it was ready:\n${output}`)),
      );
    });
    const up = new UpProcess(child, url, () => output);
    // Not in our process group, it would outlive us.
    const end = () => up.#signal("SIGKILL");
    process.once("exit", end);
    child.once("exit", () => process.off("exit", end));
    return up;
  }

  get isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** What it wrote last, on both outputs. */
  get said(): string {
    return this.#said();
  }

  /** SIGKILL to every process of the tree at once. */
  async kill(): Promise<void> {
    if (!this.isAlive) return;
    const ended = once(this.#process, "exit");
    this.#signal("SIGKILL");
    await ended;
  }

  /** SIGTERM, and the exit code that it ends with. */
  async stop(): Promise<number | null> {
    if (!this.isAlive) return this.#process.exitCode;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    const [code] = (await ended) as [number | null];
    return code;
  }

  pause(): void {
    this.#signal("SIGSTOP");
  }

  resume(): void {
    this.#signal("SIGCONT");
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#process;
    if (pid !== undefined && this.isAlive) process.kill(-pid, signal);
  }
}
