import { createTask, schedule as scheduleTask, validateDetailed } from "node-cron";
import type { Jobs, RunRequest } from "../infra/jobs/jobs.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import type { App } from "../views/app.ts";
import { TidemarkError } from "../views/errors.ts";

/** Calls back at each time that a cron expression names, with that time, until it is disposed of. */
export type Cron = (expression: string, timezone: string, due: (time: Date) => void) => AsyncDisposable;

/**
 * Asks for a run at each time that the app's schedule names; while a run is going on or waits, that time is let pass. And for one
 * that computes everything at each time of `full`, which waits for its turn. Of several processes with one queue, all ask and one
 * run is made. While the queue can't be reached times are missed: once it is back, the last of them is asked for. Throws
 * TIDEMARK_CONFIG for what is no schedule. `failed` is told why a run could not be asked for.
 */
export function scheduleRuns(
  app: App,
  jobs: ScheduledJobs,
  failed: (error: unknown) => void,
  cron: Cron = nodeCron,
): AsyncDisposable {
  const { schedule, full, timezone } = app.batch;
  const ends = new Lifecycle();
  if (schedule === null) return ends;
  requireSchedules(app);
  const follow = (expression: string, request: Asked) => {
    const times = new DueTimes(jobs, failed, request);
    ends.use(cron(expression, timezone, (time) => times.due(time)));
    ends.defer(async () => times.close());
  };
  follow(schedule, (time) => ({
    ...{ requestedBy: "schedule", ifBusy: "refuse", occasion: `${app.name} at ${time.toISOString()}` },
  }));
  if (full === "always") return ends;
  follow(full, (time) => ({
    ...{ requestedBy: "schedule", ifBusy: "wait", full: true },
    occasion: `${app.name} in full at ${time.toISOString()}`,
  }));
  return ends;
}

/** What is asked for at a time that is due. */
type Asked = (time: Date) => RunRequest;

type ScheduledJobs = Pick<Jobs, "submit" | "available">;

const nodeCron: Cron = (expression, timezone, due) => {
  const task = scheduleTask(expression, ({ date }) => due(date), { timezone, suppressMissedWarning: true });
  return { [Symbol.asyncDispose]: async () => task.destroy() };
};

/** How many runs ahead are looked at: a schedule that names hours, days and weekdays repeats within a year of days. */
const runsAhead = 400;

/** The longest time between two runs that the app's schedule names, in milliseconds; null where runs are asked for by hand. */
export function longestIntervalMs(app: App): number | null {
  const { schedule, timezone } = app.batch;
  if (schedule === null) return null;
  requireSchedules(app);
  return longestBetween(schedule, timezone, runsAhead);
}

/** Full computations ahead that are looked at: of a day, a week or a month each. */
const fullsAhead = 32;

/** The longest time between two full computations that the app asks for, in milliseconds; 0 where every run is one. */
export function longestFullIntervalMs(app: App): number {
  const { full, timezone } = app.batch;
  requireSchedules(app);
  return full === "always" ? 0 : longestBetween(full, timezone, fullsAhead);
}

function longestBetween(expression: string, timezone: string, ahead: number): number {
  const task = createTask(expression, () => undefined, { timezone });
  try {
    const times = task.getNextRuns(ahead).map((time) => time.getTime());
    return Math.max(0, ...times.slice(1).map((time, i) => time - (times[i] ?? time)));
  } finally {
    task.destroy();
  }
}

class DueTimes {
  readonly #jobs: ScheduledJobs;
  readonly #failed: (error: unknown) => void;
  readonly #asked: Asked;
  /** The last time that nobody could be asked at. */
  #missed: Date | undefined;
  #isWaiting = false;
  #isClosed = false;

  constructor(jobs: ScheduledJobs, failed: (error: unknown) => void, asked: Asked) {
    this.#jobs = jobs;
    this.#failed = failed;
    this.#asked = asked;
  }

  due(time: Date): void {
    if (!this.#isClosed) void this.#ask(time);
  }

  close(): void {
    this.#isClosed = true;
  }

  async #ask(time: Date): Promise<void> {
    try {
      await this.#jobs.submit(this.#asked(time));
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

function requireSchedules({ name, batch: { schedule, full, timezone } }: App): void {
  if (schedule !== null) requireCron(name, "schedule", schedule, "null for runs by hand only");
  if (full !== "always") requireCron(name, "full", full, '"always" for every run');
  requireTimezone(name, timezone);
}

function requireCron(app: string, option: "schedule" | "full", expression: string, otherwise: string): void {
  const { valid, errors } = validateDetailed(expression);
  if (valid) return;
  const example = option === "full" ? "0 3 * * *" : "*/5 * * * *";
  throw new TidemarkError(
    "TIDEMARK_CONFIG",
    `app "${app}": batch.${option} "${expression}" is no cron expression (${errors.map(({ message }) => message).join("; ")}); give minute, hour, day of month, month and day of week, e.g. "${example}", with seconds before them if need be, or ${otherwise}`,
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
