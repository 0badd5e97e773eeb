import type { Logger } from "pino";
import { type DriftTarget, DriftWebhook } from "../batch-layer/drift-webhook.ts";
import type { RunHandler } from "../infra/jobs/jobs.ts";
import type { Lifecycle } from "../infra/lifecycle.ts";
import type { App } from "../views/app.ts";

export interface DriftOptions {
  readonly app: App;
  readonly logger: Logger;
  /** Where drift is told, if anywhere. */
  readonly drift?: DriftTarget | undefined;
}

/** The handler; what its runs find of drift is told. */
export function tellingDrift(
  handler: RunHandler,
  { app, logger, drift }: DriftOptions,
  lifecycle: Lifecycle,
): RunHandler {
  if (drift === undefined) return handler;
  const failed = (message: string) => logger.error(message);
  const webhook = new DriftWebhook({
    app: app.name,
    target: drift,
    clock: Date.now,
    timers: globalThis,
    failed,
  });
  return lifecycle.use(webhook).telling(handler);
}
