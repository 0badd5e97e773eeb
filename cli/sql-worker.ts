import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { coldFolderOf } from "../infra/master/cold-folder.ts";
import { Peer } from "../infra/peer.ts";
import { channelToChild } from "../infra/process-channel.ts";
import type { Segment } from "../infra/tail/tail.ts";
import type { Timers } from "../infra/timers.ts";
import type { FoldedRange } from "../serving-layer/as-of/fold-past.ts";
import type { SqlEngine, SqlOutcome, SqlStatement, TailRow } from "../serving-layer/sql/engine.ts";
import type { SqlBudget } from "../serving-layer/sql/limits.ts";
import { TidemarkError } from "../views/errors.ts";
import { dataFolder } from "./data-folder.ts";
import { emptySegments, foldMessage, takeRows, tooMany } from "./past-folds.ts";

export interface SqlWorkerOptions {
  readonly appPath: string;
  readonly data: string;
  /** Whether the log is Kafka, of which the environment says where it is. */
  readonly isCluster: boolean;
  /** For its files, and for no one else: emptied before it starts and after it ends. */
  readonly folder: string;
  readonly budget: SqlBudget;
  readonly timers: Timers;
  /** It ended, or DuckDB failed in it; it is started again when it is needed. */
  readonly failed: (message: string) => void;
}

/** How it ends when it takes more memory than it may. */
export const exitOfMemory = 77;

/** Where DuckDB puts what does not fit into memory. */
export function spillFolder(folder: string): string {
  return join(folder, "spill");
}

/** A statement that does not end in this time after it was interrupted is ended together with the process. */
const killAfterMs = 2_000;
/** Rows of the tail in one message. */
const rowsPerMessage = 1_000;

interface Started {
  readonly child: ChildProcess;
  readonly peer: Peer;
  /** Of the master dataset, when it was started: it reads no other. */
  readonly cold: string | undefined;
}

/** Carries out SQL, and folds past records, in a process that is started with the first statement and again after it died. */
export class SqlWorker implements SqlEngine, AsyncDisposable {
  readonly #options: SqlWorkerOptions;
  #started: Promise<Started> | undefined;
  #child: ChildProcess | undefined;
  /** Of the process before, where it was ended on purpose. */
  #ending: Promise<unknown> = Promise.resolve();
  #statements = 0;
  #running = 0;
  #isStale = false;
  #isClosed = false;

  constructor(options: SqlWorkerOptions) {
    this.#options = options;
  }

  check(sql: string): Promise<readonly string[]> {
    return this.#use(
      async ({ child, peer }) => (await ofLiving(child, peer.call("check", sql))) as readonly string[],
    );
  }

  run(statement: SqlStatement, take: (text: string) => void, signal: AbortSignal): Promise<SqlOutcome> {
    return this.#use((started) => this.#run(started, statement, take, signal));
  }

  async #run(
    { child, peer }: Started,
    statement: SqlStatement,
    take: (text: string) => void,
    signal: AbortSignal,
  ): Promise<SqlOutcome> {
    signal.throwIfAborted();
    const id = ++this.#statements;
    const { timers } = this.#options;
    let kill: NodeJS.Timeout | undefined;
    const killLater = () => {
      kill = timers.setTimeout(() => child.kill("SIGKILL"), killAfterMs);
    };
    signal.addEventListener("abort", killLater);
    try {
      for (const [table, { tail = [] }] of statement.tables.map(withTail).entries()) {
        for (const rows of inMessages(tail)) {
          signal.throwIfAborted();
          await ofLiving(child, peer.call("tail", { id, table, rows }));
        }
      }
      const tables = statement.tables.map((table) =>
        table.kind === "view" ? { ...table, tail: [] } : table,
      );
      const running = peer.call(
        "run",
        { id, statement: { ...statement, tables } },
        { report: (piece) => take(piece as string), signal },
      );
      return (await ofLiving(child, running)) as SqlOutcome;
    } catch (error) {
      if (this.#running === 1 && this.#hasSpilled()) this.#replace(child);
      throw signal.aborted ? signal.reason : error;
    } finally {
      peer.call("forget", id).catch(() => undefined);
      signal.removeEventListener("abort", killLater);
      timers.clearTimeout(kill);
    }
  }

  /** Folds past records there, beside the statements: what comes back is as much as there are entries. */
  fold({ signal, ...range }: FoldedRange): Promise<readonly Segment[]> {
    return this.#use(async ({ child, peer }) => {
      signal.throwIfAborted();
      const segments = emptySegments(range);
      try {
        await peer.call("fold", foldMessage(range), {
          signal,
          report: (piece) => takeRows(segments, String(piece)),
        });
      } catch (error) {
        throw signal.aborted ? signal.reason : child.exitCode === exitOfMemory ? tooMany(range) : error;
      }
      for (const segment of segments) segment.seal();
      return segments;
    });
  }

  /** Lets go of the files that it has made of generations and records, once no statement uses them. */
  renew(): void {
    this.#isStale = true;
    this.#replaceStale();
  }

  /** Who waits for the process to be there uses it already: it is not replaced meanwhile. */
  async #use<T>(work: (started: Started) => Promise<T>): Promise<T> {
    const there = await this.#started?.catch(() => undefined);
    if (there !== undefined && there.cold !== (await this.#coldFolder())) this.renew();
    this.#running++;
    try {
      return await work(await this.#process());
    } finally {
      this.#running--;
      this.#replaceStale();
    }
  }

  async #coldFolder(): Promise<string | undefined> {
    return (await coldFolderOf(dataFolder(this.#options.data).master))?.folder;
  }

  #replaceStale(): void {
    if (!this.#isStale || this.#running > 0) return;
    this.#isStale = false;
    if (this.#child !== undefined) this.#replace(this.#child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const started = await this.#started?.catch(() => undefined);
    if (started !== undefined && isAlive(started.child)) {
      const ended = once(started.child, "exit");
      started.child.kill("SIGKILL");
      await ended;
    }
    await this.#ending;
    await rm(this.#options.folder, { recursive: true, force: true });
  }

  #hasSpilled(): boolean {
    const spill = spillFolder(this.#options.folder);
    return existsSync(spill) && readdirSync(spill).length > 0;
  }

  /** DuckDB may keep what a statement spilled that it did not finish, for as long as it lives. */
  #replace(child: ChildProcess): void {
    if (!isAlive(child)) return;
    this.#started = undefined;
    this.#child = undefined;
    this.#ending = once(child, "exit").then(() => rm(this.#options.folder, { recursive: true, force: true }));
    child.kill("SIGKILL");
  }

  #process(): Promise<Started> {
    if (this.#isClosed) throw new TidemarkError("TIDEMARK_PROCESS_GONE", "the server is stopping");
    if (this.#started === undefined) {
      const started = this.#start();
      this.#started = started;
      started.catch(() => {
        this.#started = undefined;
      });
    }
    return this.#started;
  }

  async #start(): Promise<Started> {
    const { appPath, data, isCluster, folder, budget, failed } = this.#options;
    await this.#ending;
    const cold = await this.#coldFolder();
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const isSource = import.meta.url.endsWith(".ts");
    const module = new URL(isSource ? "./sql-process.ts" : "./sql-process.js", import.meta.url);
    const child = fork(
      fileURLToPath(module),
      [appPath, data, folder, isCluster ? "cluster" : "embedded", JSON.stringify(budget)],
      {
        // An app's declaration is TypeScript, also where we are not.
        execArgv: ["--import", import.meta.resolve("tsx/esm")],
        // DuckDB's queries occupy the threads of libuv's pool; file access waits behind them unless there are more.
        env: { ...process.env, UV_THREADPOOL_SIZE: "16" },
      },
    );
    this.#child = child;
    return await new Promise((resolve, reject) => {
      child.once("exit", (code, signal) => {
        const isCurrent = this.#child === child;
        if (isCurrent) this.#started = undefined;
        if (isCurrent && !this.#isClosed)
          failed(`the SQL process ended (${signal ?? code}); the next statement starts it again`);
        reject(new TidemarkError("TIDEMARK_PROCESS_GONE", "the SQL process ended before it was ready"));
      });
      const peer: Peer = new Peer(channelToChild(child), {
        ready: async () => resolve({ child, peer, cold }),
        failed: async (message) => failed(String(message)),
      });
    });
  }
}

function withTail(table: SqlStatement["tables"][number]): { readonly tail?: Iterable<TailRow> } {
  return table.kind === "view" ? { tail: table.tail } : {};
}

function* inMessages(rows: Iterable<TailRow>): Generator<readonly TailRow[], void, undefined> {
  let message: TailRow[] = [];
  for (const row of rows) {
    message.push(row);
    if (message.length < rowsPerMessage) continue;
    yield message;
    message = [];
  }
  if (message.length > 0) yield message;
}

function isAlive({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

/** What a call gives. If the process dies meanwhile, the error says why, if that is known. */
async function ofLiving(child: ChildProcess, call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    if (child.exitCode !== exitOfMemory) throw error;
    throw new TidemarkError(
      "TIDEMARK_SQL_TOO_LARGE",
      "the statements that were running took more memory than there is for them: narrow them by WHERE, or group by fewer values",
      { cause: error },
    );
  }
}
