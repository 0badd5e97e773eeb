import type { StatusAnswer } from "./answers.ts";
import { call, Problem } from "./api.ts";
import { countRecords, readNexts } from "./positions.ts";
import { createStore } from "./store.ts";

/** How far each part of the platform was at one moment, in records over all topics. */
export interface Sample {
  /** Milliseconds, of the page's own clock. */
  readonly at: number;
  readonly log: number;
  readonly archived: number;
  /** What every view's generation covers, of those that have some. */
  readonly cut: number;
  /** What every view has folded that is. */
  readonly folded: number;
}

export interface Watched {
  readonly status: StatusAnswer | undefined;
  readonly problem: Problem | undefined;
  /** Oldest first; of the last ten minutes. */
  readonly samples: readonly Sample[];
}

const keptSamples = 600;
const everyMs = 1_000;
const afterProblemMs = 5_000;
const rateOverMs = 3_000;

export const watched = createStore<Watched>({ status: undefined, problem: undefined, samples: [] });

/** Asks for the status every second for as long as the page can be seen. */
export async function watchStatus(): Promise<never> {
  for (;;) {
    const { status, samples } = watched.get();
    try {
      const next = await call<StatusAnswer>("/v1/status");
      const sample = sampleOf(next, performance.now());
      watched.set({ status: next, problem: undefined, samples: [...samples.slice(1 - keptSamples), sample] });
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem("CONSOLE", String(error));
      watched.set({ status, problem, samples });
    }
    await pause(watched.get().problem === undefined ? everyMs : afterProblemMs);
  }
}

/** Records per second of one figure over the last seconds; undefined before there are two samples. */
export function rateOf(samples: readonly Sample[], figure: Exclude<keyof Sample, "at">): number | undefined {
  const last = samples.at(-1);
  if (last === undefined) return undefined;
  const first = samples.find(({ at }) => last.at - at <= rateOverMs + everyMs / 2);
  if (first === undefined || first === last) return undefined;
  return Math.max(0, ((last[figure] - first[figure]) * 1_000) / (last.at - first.at));
}

function sampleOf(status: StatusAnswer, at: number): Sample {
  const views = Object.values(status.views).filter(({ isBuilding }) => !isBuilding);
  const of = (layer: "batch" | "speed") =>
    views.filter(({ layers }) => layers === "both" || layers === layer);
  const log = Object.values(status.log).reduce(
    (sum, { nexts }) => sum + nexts.reduce((records, next) => records + next, 0),
    0,
  );
  return {
    at,
    log,
    archived: countRecords(status.archived),
    cut: leastOf(of("batch").map(({ generation }) => generation?.cut ?? "")),
    folded: leastOf(of("speed").map(({ position }) => position)),
  };
}

/** Of each partition what the view has that is least far; a view that does not read a topic has no say in it. */
function leastOf(positions: readonly string[]): number {
  if (positions.includes("")) return 0;
  const least = new Map<string, number>();
  for (const position of positions) {
    for (const [topic, partitions] of readNexts(position)) {
      for (const [partition, next] of partitions) {
        const name = `${topic}/${partition}`;
        least.set(name, Math.min(next, least.get(name) ?? next));
      }
    }
  }
  return [...least.values()].reduce((sum, next) => sum + next, 0);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const goOn = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", goOn);
      resolve();
    };
    setTimeout(() => {
      document.addEventListener("visibilitychange", goOn);
      goOn();
    }, ms);
  });
}
