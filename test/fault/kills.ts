import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { compareNow, oracleOf } from "./compare-now.ts";
import { flightLines } from "./flights-in-order.ts";
import { embeddedRecords } from "./oracle.ts";
import { Platform } from "./platform.ts";
import { Random } from "./random.ts";

const launcher = fileURLToPath(new URL("../../cli/tidemark.mjs", import.meta.url));
const flights = fileURLToPath(new URL("../../examples/flights/app.ts", import.meta.url));

export interface KillsOptions {
  readonly seed: number;
  readonly kills: number;
  readonly events: number;
  readonly say?: (text: string) => void;
}

export interface KillsReport {
  readonly rowsCompared: number;
  /** Requests that were cut off by a kill, and were sent again in full. */
  readonly sentAgain: number;
  readonly restarts: number;
}

/**
 * Kills the whole process tree with SIGKILL at random moments of ingest and batch, restarts it, and goes on as a
 * producer does: what was not acknowledged is sent again. In the end every event must count once, in answers that
 * equal the oracle, on a data folder that `verify` finds clean. After each kill, what was acknowledged must be there.
 */
export async function surviveKills(options: KillsOptions): Promise<KillsReport> {
  const random = new Random(options.seed);
  const lines = await flightLines(options.events);
  const data = await mkdtemp(join(tmpdir(), "tidemark-kills-"));
  let platform = await Platform.start(data);
  let [acknowledged, sentAgain, kills, rowsCompared] = [0, 0, 0, 0];
  const perKill = Math.ceil(lines.length / (options.kills + 1));
  try {
    while (acknowledged < lines.length) {
      const killAt =
        kills < options.kills && acknowledged >= perKill * kills ? random.whole(0, 400) : undefined;
      const alive = platform;
      const killed = killAt === undefined ? undefined : delayed(killAt, () => alive.kill());
      if (random.chance(0.5)) await platform.startRun().catch(() => undefined);
      try {
        const until = Math.min(lines.length, acknowledged + perKill);
        while (acknowledged < until) {
          const next = Math.min(until, acknowledged + random.whole(1, 4_000));
          await platform.ingest(`${lines.slice(acknowledged, next).join("\n")}\n`);
          acknowledged = next;
        }
      } catch (error) {
        if (killed === undefined) throw error;
        sentAgain++;
      }
      if (killed === undefined) continue;
      await killed;
      kills++;
      platform = await Platform.start(data);
      const present = await eventsServed(platform);
      if (present < acknowledged)
        throw new Error(`kill ${kills}: ${acknowledged} acknowledged, ${present} there`);
      options.say?.(
        `kill ${kills}/${options.kills}: ${acknowledged} acknowledged, ${present} there after the restart`,
      );
    }
    const served = await eventsServed(platform);
    if (served !== lines.length) throw new Error(`${lines.length} events were sent, ${served} count`);
    await platform.runIsDone(await platform.startRun());
    rowsCompared = await compareNow(
      platform,
      oracleOf((nexts) => embeddedRecords(join(data, "log"), nexts)),
      `seed ${options.seed}, after ${kills} kills`,
    );
    const code = await platform.stop();
    if (code !== 0) throw new Error(`SIGTERM ended it with ${code}`);
    await promisify(execFile)(process.execPath, [launcher, "verify", "--app", flights, "--data", data]);
    return { rowsCompared, sentAgain, restarts: kills };
  } catch (error) {
    throw new Error(`seed ${options.seed}, after ${kills} kills: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    await platform.kill();
    await rm(data, { recursive: true, force: true });
  }
}

async function eventsServed(platform: Platform): Promise<number> {
  await platform.caughtUp();
  const { rows } = await platform.rows("totals-by-hour", { groupBy: "", measures: "flights" });
  return Number(rows[0]?.flights ?? 0);
}

function delayed(ms: number, act: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    setTimeout(() => act().then(resolve, reject), ms);
  });
}
