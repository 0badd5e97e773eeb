import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../examples/cdc/main.ts", import.meta.url));

/** The example's reader as a process of its own. */
export class ReaderProcess implements AsyncDisposable {
  readonly #process: ChildProcess;
  #said = "";

  constructor(postgres: string, tidemark: string) {
    const args = ["--import", "tsx/esm", main, "--postgres", postgres, "--tidemark", tidemark];
    this.#process = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "pipe"] });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#said += text;
    });
  }

  /** What it had to complain of. */
  get said(): string {
    return this.#said;
  }

  requireAlive(): void {
    const { exitCode } = this.#process;
    if (exitCode !== null) throw new Error(`the reader ended with ${exitCode}:\n${this.#said}`);
  }

  /** It has no time to say anything more. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** The code that it ends with when it is asked to. */
  async stop(): Promise<number | null> {
    await this.#end("SIGTERM");
    return this.#process.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill(signal);
    await ended;
  }
}
