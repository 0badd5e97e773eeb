import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { OtherStores } from "../batch-layer/erasing.ts";
import type { NewDeadLetter } from "../infra/dead-letters/dead-letters.ts";
import type { RunHandler, RunProgress, RunResult } from "../infra/jobs/jobs.ts";
import { Peer } from "../infra/peer.ts";
import { channelToChild } from "../infra/process-channel.ts";
import type { Timers } from "../infra/timers.ts";
import type { Cut } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import type { LeavingFacts, SubjectFacts } from "../views/subject.ts";

export interface BatchWorkerOptions {
  readonly appPath: string;
  readonly data: string;
  /** Of how long ago the newest event of a file is that goes to the cold folder; undefined: none does. */
  readonly coldAfterMs: number | undefined;
  readonly seal: () => Promise<Cut>;
  /** Keeps what the archiver found to be no event. */
  readonly keepLetter: (letter: InvalidRecord) => Promise<void>;
  /** The stores that are open here, as erasures need them. */
  readonly others: OtherStores;
  readonly timers: Timers;
  /** Something went wrong in the process outside of a run, or it died; it is started again. */
  readonly failed: (message: string) => void;
}

/** A record of the log that is no event of its topic. */
export interface InvalidRecord extends Pick<NewDeadLetter, "code" | "message" | "topic" | "record"> {
  /** Base64 of its bytes. */
  readonly raw: string;
}

const restartMs = 1_000;
/** Longest wait for an orderly end before the process is killed. */
const stopMs = 10_000;

interface Started {
  readonly child: ChildProcess;
  readonly peer: Peer;
}

/** The archiver and the batch layer in a process of their own, which is started again whenever it dies. */
export class BatchWorker implements AsyncDisposable {
  readonly #options: BatchWorkerOptions;
  #child: ChildProcess | undefined;
  /** The process that is there, or that comes after the one that died. */
  #started: Promise<Started>;
  #isStopping = false;
  #restart: NodeJS.Timeout | undefined;

  constructor(options: BatchWorkerOptions) {
    this.#options = options;
    this.#started = this.#start();
    this.#started.catch(() => undefined);
  }

  /** Performs a run in the process. TIDEMARK_PROCESS_GONE if that dies meanwhile. */
  readonly perform: RunHandler = async (run, report, signal) => {
    const { peer } = await this.#started;
    return (await peer.call("run", run, {
      report: (progress) => report(progress as RunProgress),
      signal,
    })) as RunResult;
  };

  /** Waits until the process has opened its stores. */
  async ready(): Promise<void> {
    await this.#started;
  }

  #start(): Promise<Started> {
    const isSource = import.meta.url.endsWith(".ts");
    const module = new URL(isSource ? "./batch-process.ts" : "./batch-process.js", import.meta.url);
    const { appPath, data, coldAfterMs, seal, keepLetter, others, failed } = this.#options;
    const child = fork(fileURLToPath(module), [appPath, data, String(coldAfterMs ?? "")], {
      // An app's declaration is TypeScript, also where we are not.
      execArgv: ["--import", import.meta.resolve("tsx/esm")],
      // DuckDB's queries occupy the threads of libuv's pool; file access waits behind them unless there are more.
      env: { ...process.env, UV_THREADPOOL_SIZE: "16" },
    });
    this.#child = child;
    child.once("exit", (code, signal) => {
      if (this.#isStopping) return;
      failed(`the batch process ended (${signal ?? code}); it is started again`);
      this.#started = this.#startLater();
      this.#started.catch(() => undefined);
    });
    return new Promise((resolve, reject) => {
      child.once("exit", () =>
        reject(new TidemarkError("TIDEMARK_PROCESS_GONE", "the batch process ended before it was ready")),
      );
      const peer = new Peer(channelToChild(child), {
        ready: async () => resolve({ child, peer }),
        seal: () => seal(),
        "dead-letter": (letter) => keepLetter(letter as InvalidRecord),
        "count-letters": (subjects) => others.countLetters(subjects as readonly LeavingFacts[]),
        "erase-letters": (subjects) => others.eraseLetters(subjects as readonly LeavingFacts[]),
        "destroy-keys": (subjects) => others.destroyKeys(subjects as readonly SubjectFacts[]),
        forget: (cut) => others.forget(cut as Cut),
        failed: async (message) => failed(String(message)),
      });
    });
  }

  async #startLater(): Promise<Started> {
    await new Promise<void>((resolve) => {
      this.#restart = this.#options.timers.setTimeout(resolve, restartMs);
    });
    return this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    this.#options.timers.clearTimeout(this.#restart);
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    const kill = this.#options.timers.setTimeout(() => child.kill("SIGKILL"), stopMs);
    await this.#started.then(({ peer }) => peer.call("stop", null)).catch(() => undefined);
    child.disconnect();
    await ended;
    this.#options.timers.clearTimeout(kill);
  }
}
