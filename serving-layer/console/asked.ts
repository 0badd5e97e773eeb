import { useCallback, useEffect, useState } from "preact/hooks";
import { call, Problem } from "./api.ts";

/** What has come of a question so far. While it is asked again the former answer stays. */
export interface Asked<T> {
  readonly answer: T | undefined;
  readonly problem: Problem | undefined;
  readonly isAsking: boolean;
  readonly again: () => void;
}

/** Asks when `path` changes, and again when told to; undefined asks nothing. */
export function useAsked<T>(path: string | undefined): Asked<T> {
  return useWork(path, (signal) => call<T>(path ?? "", { signal }));
}

/** Does work that is known by `name`, again when the name changes; undefined: none. */
export function useWork<T>(name: string | undefined, work: (signal: AbortSignal) => Promise<T>): Asked<T> {
  const [round, setRound] = useState(0);
  const [outcome, setOutcome] = useState<{ readonly answer?: T; readonly problem?: Problem }>({});
  const [isAsking, setAsking] = useState(name !== undefined);
  useEffect(() => {
    if (name === undefined) {
      setOutcome({});
      setAsking(false);
      return;
    }
    const stop = new AbortController();
    setAsking(true);
    work(stop.signal).then(
      (answer) => {
        if (stop.signal.aborted) return;
        setOutcome({ answer });
        setAsking(false);
      },
      (error: unknown) => {
        if (stop.signal.aborted) return;
        setOutcome({ problem: error instanceof Problem ? error : new Problem("CONSOLE", String(error)) });
        setAsking(false);
      },
    );
    return () => stop.abort();
  }, [name, round]);
  const again = useCallback(() => setRound((before) => before + 1), []);
  return { answer: outcome.answer, problem: outcome.problem, isAsking, again };
}
