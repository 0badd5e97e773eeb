import type { Timers } from "../infra/timers.ts";
import type { Archiver } from "./archive.ts";

export interface KeepArchivingOptions {
  readonly archiver: Pick<Archiver, "pending" | "logEnd" | "archive">;
  readonly timers: Timers;
  /** Archives what is pending when this much time has passed since the last time. Default 60,000 ms. */
  readonly everyMs?: number;
  /** Archives at once when so many records are pending. Default 250,000. */
  readonly recordsThreshold?: number;
  /** What is done each time after archiving, a bounded piece of work: compaction of the master dataset. */
  readonly tidy?: (signal: AbortSignal) => Promise<unknown>;
  /** How often it looks. Default 1,000 ms. */
  readonly lookMs?: number;
  /** Archiving or what comes after it failed; nothing is lost, and the next look tries again. */
  readonly failed: (error: unknown) => void;
}

/** Keeps the master dataset close behind the log, until disposed of: that stops an archive in hand, and waits for it. */
export function keepArchiving(options: KeepArchivingOptions): AsyncDisposable {
  const { archiver, timers, everyMs = 60_000, recordsThreshold = 250_000, lookMs = 1_000, failed } = options;
  const stop = new AbortController();
  let sinceMs = 0;
  let looking: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    sinceMs += lookMs;
    try {
      const pending = await archiver.pending();
      if (pending < recordsThreshold && sinceMs < everyMs) return;
      if (pending > 0) await archiver.archive(await archiver.logEnd(), { signal: stop.signal });
      sinceMs = 0;
      await options.tidy?.(stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) failed(error);
    }
  }

  function lookLater(): NodeJS.Timeout {
    return timers.setTimeout(() => {
      looking = look().finally(() => {
        if (!stop.signal.aborted) timer = lookLater();
      });
    }, lookMs);
  }

  let timer = lookLater();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      timers.clearTimeout(timer);
      await looking;
    },
  };
}
