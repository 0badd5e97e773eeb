import { Worker } from "node:worker_threads";
import { Peer } from "../infra/peer.ts";
import { channelToThread } from "../infra/thread-channel.ts";
import type { Pressure } from "../ingestion/pressure.ts";
import type { Reception } from "../ingestion/reception.ts";
import { ThreadReception } from "../ingestion/reception-thread.ts";
import type { Cut } from "../views/cut.ts";
import { reviveError, TidemarkError } from "../views/errors.ts";
import type { Subject } from "../views/subject.ts";

export interface ReceptionWorkerOptions {
  readonly appPath: string;
  readonly data: string;
  readonly pressure: Pressure;
}

/**
 * Room for what lives as long as a commit takes, so that it is collected while it is young: events in the making are
 * most of what the thread allocates. With three times as much queries waited a little longer under full ingest.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 64 };

/** The log's writer in a thread of its own, and what the gateway hands requests to. */
export class ReceptionWorker implements AsyncDisposable {
  readonly reception: Reception;
  /** Rejects when the thread ends before it is told to. */
  readonly failed: Promise<never>;
  readonly #peer: Peer;
  readonly #ended: Promise<void>;
  #isStopping = false;
  #committed: () => void = () => undefined;

  static async start(options: ReceptionWorkerOptions): Promise<ReceptionWorker> {
    const isSource = import.meta.url.endsWith(".ts");
    const module = new URL(isSource ? "./reception-main.ts" : "./reception-main.js", import.meta.url).href;
    const { appPath, data, pressure } = options;
    const thread = new Worker(new URL("./thread.mjs", import.meta.url), {
      workerData: { module, appPath, data },
      resourceLimits,
    });
    let isReady: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => {
      isReady = resolve;
    });
    const worker = new ReceptionWorker(thread, pressure, isReady);
    await Promise.race([ready, worker.failed]);
    return worker;
  }

  private constructor(thread: Worker, pressure: Pressure, isReady: () => void) {
    const channel = channelToThread(thread);
    this.#peer = new Peer(channel, {
      ready: async () => isReady(),
      committed: async () => this.#committed(),
    });
    this.reception = new ThreadReception(this.#peer, pressure);
    this.#ended = new Promise((resolve) => thread.once("exit", () => resolve()));
    this.failed = new Promise((_resolve, reject) => {
      // An error comes out of a thread with its properties and without its class.
      thread.once("error", (error: Error & { readonly code?: string }) =>
        reject(reviveError({ code: error.code ?? "", message: error.message }, error)),
      );
      thread.once("exit", () => {
        if (this.#isStopping) return;
        reject(new TidemarkError("TIDEMARK_PROCESS_GONE", "the thread that writes the log has ended"));
      });
    });
    this.failed.catch(() => undefined);
  }

  /** Called after each commit to the log. */
  onCommit(listener: () => void): void {
    this.#committed = listener;
  }

  /** Lets go of the log's records before the cut, durably. */
  async trim(cut: Cut): Promise<void> {
    await this.#peer.call("trim", cut);
  }

  /** As `ClearLog` has it. */
  async retire(subject: Subject): Promise<Cut> {
    return (await this.#peer.call("retire", subject)) as Cut;
  }

  /** As `ClearLog` has it. */
  async destroyKeys(subjects: readonly Subject[]): Promise<number> {
    return (await this.#peer.call("destroy-keys", subjects)) as number;
  }

  /** Waits for commits under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    await this.#peer.call("stop", null).catch(() => undefined);
    await this.#ended;
  }
}
