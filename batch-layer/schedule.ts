import { createTask, schedule as scheduleTask, validateDetailed } from "node-cron";
import type { Jobs } from "../infra/jobs/jobs.ts";
import type { App } from "../views/app.ts";
import { TidemarkError } from "../views/errors.ts";

/** Calls back at each time that a cron expression names, with that time, until it is disposed of. */
export type Cron = (expression: string, timezone: string, due: (time: Date) => void) => AsyncDisposable;

/**
 * Asks for a run at each time that the app's schedule names; while a run is going on or waits, that time is let pass. Of several
 * processes with one queue, all ask and one run is made. While the queue can't be reached times are missed: once it is back, the
 * last of them is asked for. Throws TIDEMARK_CONFIG for what is no schedule. `failed` is told why a run could not be asked for.
 */
export function scheduleRuns(
  { name, batch: { schedule, timezone } }: App,
  jobs: ScheduledJobs,
  failed: (error: unknown) => void,
  cron: Cron = nodeCron,
): AsyncDisposable {
  if (schedule === null) return { [Symbol.asyncDispose]: async () => undefined };
  requireSchedule(name, schedule);
  requireTimezone(name, timezone);
  const times = new DueTimes(name, jobs, failed);
  const task = cron(schedule, timezone, (time) => times.due(time));
  return {
    [Symbol.asyncDispose]: async () => {
      times.close();
      await task[Symbol.asyncDispose]();
    },
  };
}

type ScheduledJobs = Pick<Jobs, "submit" | "available">;

const nodeCron: Cron = (expression, timezone, due) => {
  const task = scheduleTask(expression, ({ date }) => due(date), { timezone, suppressMissedWarning: true });
  return { [Symbol.asyncDispose]: async () => task.destroy() };
};

/** How many runs ahead are looked at: a schedule that names hours, days and weekdays repeats within a year of days. */
const runsAhead = 400;

/** The longest time between two runs that the app's schedule names, in milliseconds; null where runs are asked for by hand. */
export function longestIntervalMs({ name, batch: { schedule, timezone } }: App): number | null {
  if (schedule === null) return null;
  requireSchedule(name, schedule);
  requireTimezone(name, timezone);
  const task = createTask(schedule, () => undefined, { timezone });
  try {
    const times = task.getNextRuns(runsAhead).map((time) => time.getTime());
    return Math.max(0, ...times.slice(1).map((time, i) => time - (times[i] ?? time)));
  } finally {
    task.destroy();
  }
}

class DueTimes {
  readonly #app: string;
  readonly #jobs: ScheduledJobs;
  readonly #failed: (error: unknown) => void;
  /** The last time that nobody could be asked at. */
  #missed: Date | undefined;
  #isWaiting = false;
  #isClosed = false;

  constructor(app: string, jobs: ScheduledJobs, failed: (error: unknown) => void) {
    this.#app = app;
    this.#jobs = jobs;
    this.#failed = failed;
  }

  due(time: Date): void {
    if (!this.#isClosed) void this.#ask(time);
  }

  close(): void {
    this.#isClosed = true;
  }

  async #ask(time: Date): Promise<void> {
    try {
      const occasion = `${this.#app} at ${time.toISOString()}`;
      await this.#jobs.submit({ requestedBy: "schedule", ifBusy: "refuse", occasion });
    } catch (error) {
      const code = error instanceof TidemarkError ? error.code : undefined;
      if (code !== "TIDEMARK_RUN_BUSY") this.#failed(error);
      if (code === "TIDEMARK_JOBS_UNAVAILABLE") return this.#miss(time);
    }
    if (this.#missed !== undefined && this.#missed <= time) this.#missed = undefined;
  }

  async #miss(time: Date): Promise<void> {
    if (this.#missed === undefined || this.#missed < time) this.#missed = time;
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    try {
      await this.#jobs.available();
    } catch {
      // The queue was closed, and will not come back.
      this.#isClosed = true;
    }
    this.#isWaiting = false;
    const missed = this.#missed;
    if (missed !== undefined && !this.#isClosed) await this.#ask(missed);
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
