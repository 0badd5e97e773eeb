import { createHmac } from "node:crypto";
import type { ReconciledView, Run, RunHandler } from "../infra/jobs/jobs.ts";
import type { Timers } from "../infra/timers.ts";
import { TidemarkError } from "../views/errors.ts";

/** Where drift is told. */
export interface DriftTarget {
  readonly url: string;
  /** Signs what is sent, so that the receiver knows who sent it. */
  readonly secret: string | undefined;
}

/** Throws TIDEMARK_CONFIG; undefined where nothing is set. */
export function readDriftTarget(environment: NodeJS.ProcessEnv): DriftTarget | undefined {
  const { TIDEMARK_DRIFT_WEBHOOK: url = "", TIDEMARK_DRIFT_WEBHOOK_SECRET: secret } = environment;
  if (url === "") return undefined;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    // It may hold a secret: it is not shown.
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      "TIDEMARK_DRIFT_WEBHOOK is no address: give one such as https://example.com/hooks/drift",
    );
  }
  return { url, secret: secret === "" ? undefined : secret };
}

/** What is sent, once for each run that found drift. */
export interface DriftNotice {
  readonly kind: "drift";
  readonly app: string;
  readonly run: string;
  /** A "batch" run has published what it computed; a "check" has not. */
  readonly runKind: Run["kind"];
  /** Those that differ, with counts and examples. */
  readonly views: readonly ReconciledView[];
}

export interface DriftWebhookOptions {
  readonly app: string;
  readonly target: DriftTarget;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly timers: Timers;
  /** Told of a notice that could not be delivered. */
  readonly failed: (message: string) => void;
  /** Pauses before it is tried again. */
  readonly retryDelaysMs?: readonly number[];
  readonly timeoutMs?: number;
}

const defaultDelaysMs = [1_000, 10_000, 60_000, 300_000];
const defaultTimeoutMs = 10_000;
/** Notices on their way at a time; more are given up. */
const mostUnderWay = 20;

/** Tells drift to an address by POST, aside from the runs: none waits for it, and none fails by it. */
export class DriftWebhook implements AsyncDisposable {
  readonly #options: DriftWebhookOptions;
  readonly #stop = new AbortController();
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: DriftWebhookOptions) {
    this.#options = options;
  }

  /** The handler, and what its runs find is told. */
  telling(handler: RunHandler): RunHandler {
    return async (run, report, signal) => {
      const result = await handler(run, report, signal);
      const views = result.reconciliations.filter(
        ({ reconciliation }) => reconciliation.kind === "compared" && reconciliation.differing > 0,
      );
      if (views.length > 0) {
        this.#tell({ kind: "drift", app: this.#options.app, run: run.id, runKind: run.kind, views });
      }
      return result;
    };
  }

  #tell(notice: DriftNotice): void {
    if (this.#underWay.size >= mostUnderWay) {
      this.#options.failed(
        `the drift of run ${notice.run} is not told: ${mostUnderWay} notices wait already`,
      );
      return;
    }
    const telling = this.#deliver(notice).finally(() => this.#underWay.delete(telling));
    this.#underWay.add(telling);
  }

  async #deliver(notice: DriftNotice): Promise<void> {
    const { retryDelaysMs = defaultDelaysMs, failed } = this.#options;
    const body = JSON.stringify(notice);
    for (let attempt = 0; !this.#stop.signal.aborted; attempt++) {
      const reason = await this.#post(body);
      if (reason === undefined) return;
      const delayMs = retryDelaysMs[attempt];
      if (delayMs === undefined) {
        failed(`the drift of run ${notice.run} could not be told: ${reason}`);
        return;
      }
      await this.#pause(delayMs);
    }
  }

  /** Gives why it was not taken. */
  async #post(body: string): Promise<string | undefined> {
    const { target, clock, timeoutMs = defaultTimeoutMs } = this.#options;
    const timestamp = String(Math.floor(clock() / 1000));
    const signature =
      target.secret === undefined
        ? {}
        : { "tidemark-signature": `sha256=${signatureOf(target.secret, timestamp, body)}` };
    try {
      const response = await fetch(target.url, {
        method: "POST",
        headers: { "content-type": "application/json", "tidemark-timestamp": timestamp, ...signature },
        body,
        // Where it would lead is not where it was meant to go.
        redirect: "manual",
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(timeoutMs)]),
      });
      await response.body?.cancel();
      return response.ok ? undefined : `it was answered with status ${response.status}`;
    } catch (error) {
      const { name, cause } = error as { readonly name: string; readonly cause?: { readonly code?: string } };
      return name === "TimeoutError" ? `no answer within ${timeoutMs} ms` : (cause?.code ?? name);
    }
  }

  #pause(ms: number): Promise<void> {
    const { timers } = this.#options;
    const { signal } = this.#stop;
    return new Promise((resolve) => {
      const stop = () => {
        timers.clearTimeout(timer);
        resolve();
      };
      const timer = timers.setTimeout(() => {
        signal.removeEventListener("abort", stop);
        resolve();
      }, ms);
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  /** What could not be told by then is given up. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#underWay);
  }
}

/** HMAC of time and body, so that a notice can't be sent again later by others. */
export function signatureOf(secret: string, timestamp: string, body: string): string {
  return createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
}
