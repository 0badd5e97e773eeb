import { setTimeout as pause } from "node:timers/promises";
import { type Role, roleNames } from "../../../cli/cluster/role-names.ts";
import { flight } from "../../../examples/flights/app.ts";
import { KafkaLog } from "../../../infra/kafka/kafka-log.ts";
import { MasterFolder } from "../../../infra/master/folder.ts";
import { offset } from "../../../views/cut.ts";
import type { Stage } from "./stage.ts";

/** SIGKILL of a process of each role, one after the other in any order, each started again a while later. */
export async function killEachRole({ platform, random }: Stage): Promise<void> {
  for (const role of shuffled(random, roleNames)) {
    const number = random.whole(0, platform.count(role));
    await pause(random.whole(0, 500));
    await platform.kill(role, number);
    await pause(random.whole(0, 1_000));
    await platform.start(role, number);
  }
}

/** A speed worker is stopped for longer than its session; the other takes over, and the stale one comes back. */
export async function stallSpeedWorker({ platform, random }: Stage): Promise<void> {
  const number = random.whole(0, platform.count("speed"));
  const stalled = platform.process("speed", number);
  stalled.pause();
  await pause(platform.sessionMs * 1.5);
  // What came meanwhile is answered without it.
  await platform.covered();
  stalled.resume();
  await pause(random.whole(0, 1_000));
}

/** A batch process is stopped in a run for longer than it keeps its share; another takes over, and the stale one comes back. */
export async function stallBatch({ platform, random }: Stage): Promise<void> {
  const another = platform.count("batch");
  await platform.start("batch", another);
  const run = await platform.startRun();
  await pause(random.whole(0, 1_000));
  const stalled = platform.process("batch", 0);
  stalled.pause();
  await platform.runIsDone(run);
  stalled.resume();
  await platform.runIsDone(await platform.startRun());
  await platform.kill("batch", another);
}

/** Two speed workers are killed, stopped, stalled and started at random for so long; at the end both are up. */
export async function churnSpeedWorkers({ platform, random }: Stage, forMs: number): Promise<void> {
  const until = performance.now() + forMs;
  const churn = async (number: number) => {
    while (performance.now() < until) {
      await pause(random.whole(0, 3_000));
      const worker = platform.process("speed", number);
      if (random.chance(0.3)) {
        worker.pause();
        await pause(random.whole(0, 2 * platform.sessionMs));
        worker.resume();
        continue;
      }
      if (random.chance(0.5)) await platform.stop("speed", number);
      else await platform.kill("speed", number);
      await pause(random.whole(0, 2_000));
      await platform.start("speed", number);
    }
  };
  await Promise.all([churn(0), churn(1)]);
}

/** A broker is killed and comes back: with one broker nothing goes on meanwhile, with three everything does. */
export async function killBroker({ platform, random, flow }: Stage): Promise<void> {
  const { nodes } = platform.kafka;
  const node = nodes[random.whole(0, nodes.length)];
  await node?.kill();
  if (nodes.length > 1) {
    const before = flow.sent;
    await platform.again("nothing is taken in without one broker", async () => {
      if (flow.sent < before + 100) throw new Error(`${flow.sent} events are`);
    });
    await platform.covered();
    await platform.runIsDone(await platform.startRun());
  } else await pause(random.whole(500, 4_000));
  await node?.start(nodes.length);
}

/** Redis is killed in the midst of a run, and comes back: the run ends as if nothing had been. */
export async function killRedisInRun({ platform, random }: Stage): Promise<void> {
  const run = await platform.startRun();
  await platform.again("the run does not begin", async () => {
    const [node] = platform.serving;
    const { state } = (await node?.get<{ state: string }>(`/v1/batch/runs/${run}`)) ?? {};
    if (state === "queued") throw new Error("it waits");
  });
  await platform.redis.kill();
  // Neither what comes in nor what is asked needs it.
  await platform.covered();
  await pause(random.whole(0, 3_000));
  await platform.redis.start();
  await platform.runIsDone(run);
}

/**
 * No speed worker is up for so long that Kafka lets go of what none of them has folded; the archive has it. The tail goes on
 * from where a run's generation ends.
 */
export async function outlastRetention({ platform, flow }: Stage): Promise<void> {
  const workers = Array.from({ length: platform.count("speed") }, (_, number) => number);
  await Promise.all(workers.map((number) => platform.kill("speed", number)));
  const before = flow.sent;
  await platform.again("nothing flows", async () => {
    if (flow.sent < before + 200) throw new Error(`${flow.sent} events are sent`);
  });
  const run = await platform.runIsDone(await platform.startRun());
  await trimToArchive(platform);
  await Promise.all(workers.map((number) => platform.start("speed", number)));
  for (const { differing } of generationsOf(run)) {
    if (differing !== null)
      throw new Error(`a run without a speed layer was compared: ${JSON.stringify(run)}`);
  }
}

async function trimToArchive({ settings, folder }: Stage["platform"]): Promise<void> {
  const { name, partitions } = flight;
  const topics = [{ name, partitions }];
  const archived = (await MasterFolder.read(folder.master, topics).cut())[name] ?? [];
  const log = await KafkaLog.open({ settings, topics });
  for (const [partition, next] of archived.entries()) await log.trim(name, partition, next ?? offset(0));
  await log[Symbol.asyncDispose]();
}

function generationsOf({ result }: Readonly<Record<string, unknown>>) {
  return (result as { readonly generations: readonly { readonly differing: number | null }[] }).generations;
}

function shuffled(random: Stage["random"], roles: readonly Role[]): readonly Role[] {
  return roles
    .map((role) => ({ role, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ role }) => role);
}
