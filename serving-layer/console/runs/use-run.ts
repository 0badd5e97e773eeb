import { useEffect, useState } from "preact/hooks";
import type { Run } from "../answers.ts";
import { call, follow } from "../api.ts";

const againMs = 1_000;

/** A run as it goes on, told by the server until it has ended. */
export function useRun(listed: Run): Run {
  const [run, setRun] = useState(listed);
  useEffect(() => setRun(listed), [listed]);
  const { id } = listed;
  const hasEnded = listed.finishedAt !== null;
  useEffect(() => {
    if (hasEnded) return;
    const stop = new AbortController();
    watch(id, stop.signal, setRun);
    return () => stop.abort();
  }, [id, hasEnded]);
  return run;
}

/** A stream that breaks off is taken up again. */
async function watch(id: string, signal: AbortSignal, tell: (run: Run) => void): Promise<void> {
  const path = `/v1/batch/runs/${encodeURIComponent(id)}`;
  while (!signal.aborted) {
    try {
      for await (const { data } of follow(`${path}/events`, signal)) tell(JSON.parse(data) as Run);
      const run = await call<Run>(path, { signal });
      tell(run);
      if (run.finishedAt !== null) return;
    } catch {
      // The status says that the server is gone; we go on when it is back.
    }
    await new Promise((resolve) => setTimeout(resolve, againMs));
  }
}
