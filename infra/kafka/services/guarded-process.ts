import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";

// The program takes the place of the shell, and so has the process id that we know. What the shell leaves behind waits
// for the end of the pipe: that comes without a line only if the process that holds its other end is gone, however
// that ended, and then the program is killed.
const guard = `( if read -r _ <&3; then exit; fi; kill -9 $$ ) &
exec "$@" 3<&-`;

/** A process of ours that ends with us, even if we are killed. Its signals go to its own process id and no other. */
export class GuardedProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.pid = pid;
    // Not its standard input: Node closes that by itself when the child ends, before a line could be written.
    const pipe = child.stdio[3] as Socket;
    pipe.on("error", () => undefined);
    this.#exit = once(child, "exit").then(() => pipe.end("\n"));
    // Who forgets about it still ends, and it with them.
    child.unref();
    pipe.unref();
  }

  /** What it says goes to the end of the file `log`. */
  static async start(command: string, args: readonly string[], log: string): Promise<GuardedProcess> {
    const said = openSync(log, "a");
    try {
      // Not in our process group: Ctrl-C is for us, and we decide in which order things end.
      const child = spawn("/bin/sh", ["-c", guard, "sh", command, ...args], {
        detached: true,
        stdio: ["ignore", said, said, "pipe"],
      });
      await once(child, "spawn");
      return new GuardedProcess(child, child.pid ?? 0);
    } finally {
      closeSync(said);
    }
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Asks it to end, and kills it if it has not within `graceMs`. */
  async stop(graceMs = 20_000): Promise<void> {
    const impatient = setTimeout(() => this.#child.kill("SIGKILL"), graceMs);
    await this.#end("SIGTERM");
    clearTimeout(impatient);
  }

  pause(): void {
    this.#child.kill("SIGSTOP");
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    if (this.hasEnded) return;
    this.#child.ref();
    this.#child.kill(signal);
    await this.#exit;
  }
}
