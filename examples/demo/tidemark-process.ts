import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client } from "../../cli/client.ts";
import type { Role } from "../../cli/cluster/role-names.ts";
import { TidemarkError } from "../../views/errors.ts";

const launcher = fileURLToPath(new URL("../../cli/tidemark.mjs", import.meta.url));
/** The command line's program, run by Node. */
export const tidemark = launcher;
const askEveryMs = 50;
const keptOutput = 4_000;

/** A `tidemark up` of an app, or of one layer of it, in a process of its own, without scheduled runs. */
export class TidemarkProcess implements AsyncDisposable {
  readonly url: string;
  /** Rejects, with the last words of the process, if it ends before it is asked to. */
  readonly failed: Promise<never>;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #isStopping = false;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk) => {
        output = (output + chunk).slice(-keptOutput);
      });
    }
    this.#ended = once(child, "close");
    this.failed = this.#ended.then(() => {
      if (this.#isStopping) return new Promise<never>(() => {});
      throw new Error(`tidemark up ended (${child.exitCode ?? child.signalCode}):\n${output}`);
    });
    this.failed.catch(() => {});
  }

  /** Resolves when the server can answer. */
  static async start(
    app: string,
    data: string,
    port: number,
    { role, environment }: { readonly role?: Role; readonly environment?: NodeJS.ProcessEnv } = {},
  ): Promise<TidemarkProcess> {
    const args = ["up", "--app", app, "--data", data, "--port", String(port), "--schedule", "none"];
    const child = spawn(
      process.execPath,
      [launcher, ...args, ...(role === undefined ? [] : ["--role", role])],
      {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, ...environment },
      },
    );
    const started = new TidemarkProcess(`http://127.0.0.1:${port}`, child);
    const client = new Client(started.url);
    while (!(await Promise.race([isReady(client), started.failed]))) await delay(askEveryMs);
    client[Symbol.dispose]();
    return started;
  }

  /** Asks it to end and waits until it has. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    this.#child.kill("SIGTERM");
    await this.#ended;
  }
}

async function isReady(client: Client): Promise<boolean> {
  try {
    return await client.isReady();
  } catch (error) {
    if (error instanceof TidemarkError && error.code === "TIDEMARK_CLIENT_UNREACHABLE") return false;
    throw error;
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no TCP port");
  return address.port;
}
