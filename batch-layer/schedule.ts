import { schedule as scheduleTask, validateDetailed } from "node-cron";
import type { Jobs } from "../infra/jobs/jobs.ts";
import type { App } from "../views/app.ts";
import { TidemarkError } from "../views/errors.ts";

/**
 * Asks for a run at each time that the app's schedule names; while a run is going on or waits, that time is let pass.
 * Throws TIDEMARK_CONFIG for what is no schedule. `failed` is told why a run could not be asked for otherwise.
 */
export function scheduleRuns(
  { name, batch: { schedule, timezone } }: App,
  jobs: Pick<Jobs, "submit">,
  failed: (error: unknown) => void,
): AsyncDisposable {
  if (schedule === null) return { [Symbol.asyncDispose]: async () => undefined };
  requireSchedule(name, schedule);
  requireTimezone(name, timezone);
  const submit = () => submitUnlessBusy(jobs).catch(failed);
  const task = scheduleTask(schedule, submit, { timezone, suppressMissedWarning: true });
  return { [Symbol.asyncDispose]: async () => task.destroy() };
}

async function submitUnlessBusy(jobs: Pick<Jobs, "submit">): Promise<void> {
  try {
    await jobs.submit({ requestedBy: "schedule", ifBusy: "refuse" });
  } catch (error) {
    if (!(error instanceof TidemarkError) || error.code !== "TIDEMARK_RUN_BUSY") throw error;
  }
}

function requireSchedule(app: string, schedule: string): void {
  const { valid, errors } = validateDetailed(schedule);
  if (valid) return;
  throw new TidemarkError(
    "TIDEMARK_CONFIG",
    `app "${app}": batch.schedule "${schedule}" is no cron expression (${errors.map(({ message }) => message).join("; ")}); give minute, hour, day of month, month and day of week, e.g. "*/5 * * * *", with seconds before them if need be, or null for runs by hand only`,
  );
}

function requireTimezone(app: string, timezone: string): void {
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
  } catch (cause) {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `app "${app}": batch.timezone "${timezone}" is no time zone; give one by its IANA name, e.g. "UTC" or "Europe/Berlin"`,
      { cause },
    );
  }
}
