import { type ResourceLimits, Worker } from "node:worker_threads";
import { type Handler, Peer } from "../infra/peer.ts";
import { channelToThread } from "../infra/thread-channel.ts";
import { reviveError, TidemarkError } from "../views/errors.ts";

export interface LayerThreadOptions {
  /** In this folder, without its ending. */
  readonly module: string;
  /** What is told of the thread that ends by itself. */
  readonly what: string;
  readonly appPath: string;
  readonly data: string;
  readonly handlers: Readonly<Record<string, Handler>>;
  readonly resourceLimits?: ResourceLimits;
}

/** A thread of `tidemark up`, from when it is ready until it is told to stop. */
export class LayerThread implements AsyncDisposable {
  readonly peer: Peer;
  /** Rejects when the thread ends before it is told to. */
  readonly failed: Promise<never>;
  readonly #ended: Promise<void>;
  #isStopping = false;

  /** Rejects as `failed` does if it is not ready before that. */
  static async start({ handlers, ...options }: LayerThreadOptions): Promise<LayerThread> {
    let isReady: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => {
      isReady = resolve;
    });
    const thread = new LayerThread({ ...options, handlers: { ...handlers, ready: async () => isReady() } });
    await Promise.race([ready, thread.failed]);
    return thread;
  }

  private constructor({ module, what, appPath, data, handlers, resourceLimits = {} }: LayerThreadOptions) {
    const ending = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
    const { href } = new URL(`./${module}${ending}`, import.meta.url);
    const thread = new Worker(new URL("./thread.mjs", import.meta.url), {
      workerData: { module: href, appPath, data },
      resourceLimits,
    });
    this.peer = new Peer(channelToThread(thread), handlers);
    this.#ended = new Promise((resolve) => thread.once("exit", () => resolve()));
    this.failed = new Promise((_resolve, reject) => {
      // An error comes out of a thread with its properties and without its class.
      thread.once("error", (error: Error & { readonly code?: string }) =>
        reject(reviveError({ code: error.code ?? "", message: error.message }, error)),
      );
      thread.once("exit", () => {
        if (this.#isStopping) return;
        reject(new TidemarkError("TIDEMARK_PROCESS_GONE", `${what} has ended`));
      });
    });
    this.failed.catch(() => undefined);
  }

  /** Waits for what it has in hand. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    await this.peer.call("stop", null).catch(() => undefined);
    await this.#ended;
  }
}
