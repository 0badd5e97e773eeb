import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";

// The program takes the place of the shell, and so has the process id that we know. What the shell leaves behind waits
// for the end of the pipe: that comes without a line only if the process that holds its other end is gone, however
// that ended, and then the program is killed.
const guard = `exec 3<&0
( if read -r _ <&3; then exit; fi; kill -9 $$ ) &
exec "$@" 3<&- </dev/null`;

/** A process of ours that ends with us, even if we are killed. Its signals go to its own process id and no other. */
export class GuardedProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.pid = pid;
    this.#exit = once(child, "exit").then(() => child.stdin?.end("\n"));
    child.stdin?.on("error", () => undefined);
    // Who forgets about it still ends, and it with them.
    child.unref();
    (child.stdin as (NodeJS.WritableStream & { unref?: () => void }) | null)?.unref?.();
  }

  /** What it says goes to the end of the file `log`. */
  static async start(command: string, args: readonly string[], log: string): Promise<GuardedProcess> {
    const said = openSync(log, "a");
    // Not in our process group: Ctrl-C is for us, and we decide in which order things end.
    const child = spawn("/bin/sh", ["-c", guard, "sh", command, ...args], {
      detached: true,
      stdio: ["pipe", said, said],
    });
    await once(child, "spawn");
    return new GuardedProcess(child, child.pid ?? 0);
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
