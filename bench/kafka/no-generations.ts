import type { Generations } from "../../infra/generations/generations.ts";

/** Of a cluster in which no batch has run. */
export const noGenerations: Pick<Generations, "current" | "watch"> = {
  current: async () => undefined,
  watch(views, changed) {
    for (const view of views) changed(view, undefined);
    return { [Symbol.dispose]: () => {} };
  },
};
