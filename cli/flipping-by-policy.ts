import type { Logger } from "pino";
import type { Generations } from "../infra/generations/generations.ts";
import type { RunHandler } from "../infra/jobs/jobs.ts";
import { systemClock, Turns } from "../serving-layer/clock.ts";
import { flipByPolicy } from "../serving-layer/flip-policy.ts";
import type { App } from "../views/app.ts";

export interface FlippingOptions {
  readonly app: App;
  readonly generations: Generations;
  /** Of the versions' pointers. */
  readonly root: string;
  readonly logger: Logger;
  /** Where what people ask for is noted too. */
  readonly audit: Logger | undefined;
}

/**
 * The handler; once it has done a run, versions are flipped to whose policy says so. Runs are done one at a time, wherever that
 * is, and so are these. What was published stays so, whatever becomes of it.
 */
export function flippingByPolicy(handler: RunHandler, options: FlippingOptions): RunHandler {
  const { app, generations, root, logger, audit = logger } = options;
  if (app.views.every(({ flip }) => flip === "manual")) return handler;
  return async (run, report, signal) => {
    const result = await handler(run, report, signal);
    const turns = new Turns(systemClock, () => signal.aborted);
    const parts = { views: app.views, generations, root, turns };
    try {
      for (const { view, was, active, why } of await flipByPolicy(parts, { ...result, id: run.id })) {
        audit.info({ who: "policy", what: `flip ${view} to version ${active}`, was, why });
      }
    } catch (err) {
      if (!signal.aborted)
        logger.error({ err }, "which versions to flip to can't be told; the next run looks again");
    }
    return result;
  };
}
