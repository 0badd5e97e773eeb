import type { Log } from "../infra/log/log.ts";
import { logEnd } from "../infra/log/log.ts";
import { offsetIn } from "../views/mapping.ts";
import type { TailSegments } from "./segments.ts";

export interface CatchingUp {
  readonly tail: TailSegments;
  readonly log: Log;
  /** In milliseconds. */
  readonly withinMs: number;
}

/** Resolves once all that the log held when this was called is folded, or when the time is over. */
export async function caughtUp({ tail, log, withinMs }: CatchingUp): Promise<void> {
  const end = await logEnd(log, log.topics);
  const isThere = () =>
    tail.chains.every(({ view, partition, next }) => next >= offsetIn(end, view, partition));
  if (isThere()) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(stop, withinMs);
    const advance = tail.onAdvance(() => {
      if (isThere()) stop();
    });
    function stop(): void {
      clearTimeout(timer);
      advance[Symbol.dispose]();
      resolve();
    }
  });
}
