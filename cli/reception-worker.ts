import type { Pressure } from "../ingestion/pressure.ts";
import type { Reception } from "../ingestion/reception.ts";
import { ThreadReception } from "../ingestion/reception-thread.ts";
import type { Cut } from "../views/cut.ts";
import type { Subject } from "../views/subject.ts";
import { LayerThread } from "./layer-thread.ts";

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
  readonly #thread: LayerThread;

  readonly #commitListeners: Set<() => void>;

  static async start({ appPath, data, pressure }: ReceptionWorkerOptions): Promise<ReceptionWorker> {
    const listeners = new Set<() => void>();
    const thread = await LayerThread.start({
      module: "reception-main",
      what: "the thread that writes the log",
      ...{ appPath, data, resourceLimits },
      handlers: {
        committed: async () => {
          for (const listener of listeners) listener();
        },
      },
    });
    return new ReceptionWorker(thread, pressure, listeners);
  }

  private constructor(thread: LayerThread, pressure: Pressure, commitListeners: Set<() => void>) {
    this.#thread = thread;
    this.#commitListeners = commitListeners;
    this.failed = thread.failed;
    this.reception = new ThreadReception(thread.peer, pressure);
  }

  /** Calls back after each commit to the log. */
  onCommit(listener: () => void): void {
    this.#commitListeners.add(listener);
  }

  /** Lets go of the log's records before the cut, durably. */
  async trim(cut: Cut): Promise<void> {
    await this.#thread.peer.call("trim", cut);
  }

  /** As `ClearLog` has it. */
  async retire(subject: Subject): Promise<Cut> {
    return (await this.#thread.peer.call("retire", subject)) as Cut;
  }

  /** As `ClearLog` has it. */
  async destroyKeys(subjects: readonly Subject[]): Promise<number> {
    return (await this.#thread.peer.call("destroy-keys", subjects)) as number;
  }

  /** Waits for commits under way. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#thread[Symbol.asyncDispose]();
  }
}
