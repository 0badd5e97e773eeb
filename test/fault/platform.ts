import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const launcher = fileURLToPath(new URL("../../cli/tidemark.mjs", import.meta.url));
const flights = fileURLToPath(new URL("../../examples/flights/app.ts", import.meta.url));

export type Row = Readonly<Record<string, unknown>>;

export interface Answer {
  readonly rows: readonly Row[];
  readonly provenance: {
    /** `topic@partition:offset,…` */
    readonly cut: string;
    readonly position: string;
    readonly generation: string | null;
    readonly lag: number;
    readonly complete: boolean;
  };
}

/** A running `tidemark up` of the flights app on a folder: the whole process tree, as a user has it. */
export class Platform {
  readonly url: string;
  readonly #process: ChildProcess;
  /** What each request was acknowledged with. */
  readonly #acknowledged: string[] = [];

  private constructor(process: ChildProcess, url: string) {
    this.#process = process;
    this.url = url;
  }

  static async start(data: string, app = flights): Promise<Platform> {
    const args = [launcher, "up", "--app", app, "--data", data, "--port", "0", "--schedule", "none"];
    // A process group of its own: SIGKILL of the group leaves nobody of the tree to tidy up.
    const process = spawn(globalThis.process.execPath, args, {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const url = await new Promise<string>((resolve, reject) => {
      const read = (chunk: Buffer) => {
        output += chunk.toString();
        const match = /(http:\/\/127\.0\.0\.1:\d+)/.exec(output);
        if (match?.[1] !== undefined) resolve(match[1]);
      };
      process.stdout?.on("data", read);
      process.stderr?.on("data", read);
      process.once("exit", (code) =>
        reject(new Error(`up ended with ${code} before it was ready:\n${output}`)),
      );
    });
    return new Platform(process, url);
  }

  /** SIGKILL to every process of the tree at once. */
  async kill(): Promise<void> {
    const { pid } = this.#process;
    if (pid === undefined || this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    process.kill(-pid, "SIGKILL");
    await ended;
  }

  /** SIGTERM, and the exit code that it ends with. */
  async stop(): Promise<number | null> {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    const [code] = (await ended) as [number | null];
    return code;
  }

  /** Posts NDJSON and gives the position that it was acknowledged with. */
  async ingest(lines: string): Promise<{ accepted: number; position: string }> {
    const response = await fetch(`${this.url}/v1/events`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: lines,
    });
    if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
    const answer = (await response.json()) as { accepted: number; position: string };
    this.#acknowledged.push(answer.position);
    return answer;
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}${path}`);
    if (!response.ok) throw new Error(`GET ${path} → ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  /** Every row of a view, page by page; the tail must be at rest meanwhile. */
  async rows(view: string, parameters: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const rows: Row[] = [];
    let cursor: string | null | undefined;
    for (;;) {
      const query = new URLSearchParams({ ...parameters, limit: "100000", ...(cursor ? { cursor } : {}) });
      const page = await this.get<Answer & { cursor?: string | null }>(`/v1/views/${view}/rows?${query}`);
      rows.push(...page.rows);
      cursor = page.cursor;
      if (!cursor) return { rows, provenance: page.provenance };
    }
  }

  /** Waits until the tail has folded every record of the view's topics. */
  async caughtUp(view = "totals-by-hour"): Promise<void> {
    for (;;) {
      const status = await fetch(`${this.url}/readyz`);
      if (status.ok) {
        const { provenance } = await this.get<Answer>(`/v1/views/${view}/rows?limit=1`);
        if (provenance.lag === 0) return;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async #isServed(view: string, generation: string): Promise<void> {
    for (;;) {
      const { provenance } = await this.get<Answer>(`/v1/views/${view}/rows?limit=1`);
      if (provenance.generation === generation) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async startRun(): Promise<string> {
    const response = await fetch(`${this.url}/v1/batch/runs`, { method: "POST" });
    if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
    return ((await response.json()) as { id: string }).id;
  }

  /** Waits until the run has succeeded and what it made is served, which is a moment later. */
  async runIsDone(id: string): Promise<Row> {
    for (;;) {
      const run = await this.get<Row>(`/v1/batch/runs/${id}`);
      if (run.state === "succeeded") {
        const { generations } = run.result as { generations: readonly { view: string; id: string }[] };
        for (const { view, id } of generations) await this.#isServed(view, id);
        return run;
      }
      if (run.state === "failed" || run.state === "cancelled") throw new Error(`run ${JSON.stringify(run)}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}
