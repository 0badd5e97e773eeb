import { useCallback, useRef, useState } from "preact/hooks";
import { Problem } from "../api.ts";

/** Something that changes the platform: asked for once at a time, and what came of it. */
export interface Deed {
  readonly isDoing: boolean;
  readonly problem: Problem | undefined;
  readonly start: (work: () => Promise<void>) => Promise<void>;
}

export function useDeed(): Deed {
  const [isDoing, setDoing] = useState(false);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const isBusy = useRef(false);
  const start = useCallback(async (work: () => Promise<void>) => {
    if (isBusy.current) return;
    isBusy.current = true;
    setDoing(true);
    setProblem(undefined);
    try {
      await work();
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem("CONSOLE", String(error)));
    } finally {
      isBusy.current = false;
      setDoing(false);
    }
  }, []);
  return { isDoing, problem, start };
}
