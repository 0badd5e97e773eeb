import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readVersionPointer } from "../../infra/versions/version-pointer.ts";
import type { Row } from "./client.ts";
import { type Arrival, bothApp, firstApp, linesOf, rowsOver, someArrivals } from "./delays/arrivals.ts";
import { firstDifference } from "./oracle.ts";
import { Platform } from "./platform.ts";
import { Random } from "./random.ts";

export interface FlipsOptions {
  readonly seed: number;
  readonly kills: number;
  readonly say?: (text: string) => void;
}

export interface FlipsReport {
  /** Kills after which version 2 was not built yet. */
  readonly beforeBuilt: number;
  /** Flips that were acknowledged, and those that a kill cut off. */
  readonly flipped: number;
  readonly cutOff: number;
  readonly rowsCompared: number;
}

/**
 * Kills the whole process tree at random moments while events come in, a batch run goes on and a view's name is flipped. After
 * each kill the name must answer as exactly one version, the one that was acknowledged if one was, and every version by its exact
 * name what is right of all events; a version that is not built yet, nothing.
 */
export async function surviveFlips({ seed, kills, say }: FlipsOptions): Promise<FlipsReport> {
  const random = new Random(seed);
  const data = await mkdtemp(join(tmpdir(), "tidemark-flips-"));
  const arrivals: Arrival[] = [];
  const report = { beforeBuilt: 0, flipped: 0, cutOff: 0, rowsCompared: 0 };
  let platform = await Platform.start(data, firstApp);
  try {
    await send(platform, more(2_000));
    await platform.runIsDone(await platform.startRun());
    await platform.stop();
    platform = await Platform.start(data, bothApp);
    let active = 1;
    for (let kill = 1; kill <= kills; kill++) {
      const alive = platform;
      const target = active === 1 ? 2 : 1;
      const unsent = more(random.whole(1, 500));
      const killed = after(random.whole(0, 1_200), () => alive.kill());
      const [sent, , flipped] = await Promise.all([
        send(alive, unsent).then(happened, cutOff),
        // The first kill finds version 2 not built, the second perhaps in the making.
        after(random.whole(0, 300), () =>
          kill === 2 || (kill > 2 && random.chance(0.7)) ? alive.startRun() : Promise.resolve(""),
        ).catch(cutOff),
        after(random.whole(0, 1_200), () => flip(alive, target)).catch(cutOff),
        killed,
      ]);
      platform = await Platform.start(data, bothApp);
      if (!sent) await send(platform, unsent);
      const answers = await check(platform, kill);
      const possible = flipped ? [target] : [active, target];
      if (!possible.includes(answers)) {
        throw new Error(
          `kill ${kill}: the name means version ${answers}, which must be ${possible.join(" or ")}`,
        );
      }
      report[flipped ? "flipped" : "cutOff"]++;
      active = answers;
      say?.(`kill ${kill}/${kills}: version ${active} answers, ${report.rowsCompared} rows equal so far`);
    }
    await platform.runIsDone(await platform.startRun());
    if ((await flip(platform, 2)) !== true) throw new Error("version 2 is built and can't be flipped to");
    await check(platform, kills);
    return report;
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
  } finally {
    await platform.kill();
    await rm(data, { recursive: true, force: true });
  }

  function more(count: number): readonly Arrival[] {
    const next = someArrivals(random, arrivals.length, count);
    arrivals.push(...next);
    return next;
  }

  /** The version that the name means; all of them are right. */
  async function check(running: Platform, kill: number): Promise<number> {
    await running.caughtUp("delays");
    const { active = 1 } = (await readVersionPointer(join(data, "versions"), "delays")) ?? {};
    const versions = [
      ["delays", active],
      ["delays@1", 1],
      ["delays@2", 2],
    ] as const;
    for (const [name, version] of versions) {
      const answer = await rowsOf(running, name);
      if (answer === undefined) {
        if (version === 1 || active === 2) throw new Error(`kill ${kill}: ${name} is not built`);
        report.beforeBuilt++;
        continue;
      }
      if (answer.version !== version) {
        throw new Error(`kill ${kill}: ${name} is answered as version ${answer.version}, not ${version}`);
      }
      const difference = firstDifference(answer.rows, rowsOver(version, arrivals));
      if (difference !== undefined) throw new Error(`kill ${kill}: ${name}: ${difference}`);
      report.rowsCompared += answer.rows.length;
    }
    return active;
  }
}

async function send(platform: Platform, arrivals: readonly Arrival[]): Promise<void> {
  await platform.ingest(linesOf(arrivals));
}

/** False where it was refused since the version is not built, or can't answer yet. */
async function flip(platform: Platform, version: number): Promise<boolean> {
  const response = await platform.post("/v1/views/delays/active", { version });
  const answer = (await response.json()) as { readonly code?: string };
  if (response.ok) return true;
  if (answer.code === "TIDEMARK_VIEW_BUILDING" || answer.code === "TIDEMARK_NOT_READY") return false;
  throw new Error(`flip → ${JSON.stringify(answer)}`);
}

/** Undefined: it is not built yet. */
async function rowsOf(
  platform: Platform,
  name: string,
): Promise<{ readonly rows: readonly Row[]; readonly version: number } | undefined> {
  for (;;) {
    const response = await fetch(`${platform.url}/v1/views/${name}/rows?limit=1000`);
    const answer = (await response.json()) as {
      readonly code?: string;
      readonly rows: readonly Row[];
      readonly provenance: { readonly version: number; readonly lag: number };
    };
    if (answer.code === "TIDEMARK_VIEW_BUILDING") return undefined;
    if (!response.ok && answer.code !== "TIDEMARK_NOT_READY") throw new Error(JSON.stringify(answer));
    if (response.ok && answer.provenance.lag === 0) {
      return { rows: answer.rows, version: answer.provenance.version };
    }
    await after(20, async () => undefined);
  }
}

function after<T>(ms: number, act: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    setTimeout(() => act().then(resolve, reject), ms);
  });
}

const happened = () => true;
const cutOff = () => false;
