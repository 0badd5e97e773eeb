import * as faults from "./faults.ts";
import { Stage } from "./stage.ts";

export interface ClusterTortureOptions {
  readonly seed: number;
  readonly events: number;
  readonly say: (text: string) => void;
}

/** Every fault of a cluster at full length, in three parts of a cluster each. */
export const clusterTortures: Readonly<Record<string, (options: ClusterTortureOptions) => Promise<void>>> = {
  "one-broker": (options) =>
    onStage(options, async (stage) => {
      for (let round = 1; round <= 10; round++) {
        await stage.survive(`kill each role, ${round} of 10`, faults.killEachRole);
      }
      for (let round = 1; round <= 3; round++) {
        await stage.survive(`stall a speed worker, ${round} of 3`, faults.stallSpeedWorker);
        await stage.survive(`stall a batch process, ${round} of 3`, faults.stallBatch);
        await stage.survive(`kill the broker, ${round} of 3`, faults.killBroker);
        await stage.survive(`kill Redis in a run, ${round} of 3`, faults.killRedisInRun);
      }
      await stage.survive("churn speed workers for two minutes", (on) =>
        faults.churnSpeedWorkers(on, 120_000),
      );
    }),
  retention: (options) =>
    onStage(options, async (stage) => {
      for (let round = 1; round <= 3; round++) {
        await stage.survive(`outlast retention, ${round} of 3`, faults.outlastRetention);
      }
    }),
  "three-brokers": (options) =>
    onStage({ ...options, brokers: 3 }, async (stage) => {
      for (let round = 1; round <= 3; round++) {
        await stage.survive(`kill one of three brokers, ${round} of 3`, faults.killBroker);
        await stage.survive(`kill each role, ${round} of 3`, faults.killEachRole);
      }
    }),
};

async function onStage(
  options: Parameters<typeof Stage.open>[0],
  play: (stage: Stage) => Promise<void>,
): Promise<void> {
  const stage = await Stage.open(options);
  try {
    await play(stage);
    await stage.end();
    options.say?.(
      `no drift, verify is clean; a reader had ${stage.reader.answers} answers, changing nodes ${stage.reader.changes} times`,
    );
  } finally {
    await stage[Symbol.asyncDispose]();
  }
}
