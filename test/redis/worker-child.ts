import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("./worker-process.ts", import.meta.url));

/** A worker in a process of its own, see `worker-process.ts`. */
export class WorkerChild implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #said: string[] = [];
  #heard: () => void = () => undefined;

  constructor(url: string, app: string, lockMs: number) {
    const args = ["--import", "tsx/esm", script, url, app, String(lockMs)];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#process = child;
    createInterface(child.stdout).on("line", (line) => {
      this.#said.push(line);
      this.#heard();
    });
  }

  /** Resolves once it has said the word. */
  async says(word: string): Promise<void> {
    while (!this.#said.includes(word)) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  tell(word: "finish" | "close"): void {
    this.#process.stdin?.write(`${word}\n`);
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#process.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exit;
  }
}
