import { randomUUID } from "node:crypto";
import { Erasing } from "../../batch-layer/erasing.ts";
import { performRun } from "../../batch-layer/run.ts";
import { longestFullIntervalMs, scheduleRuns } from "../../batch-layer/schedule.ts";
import type { DeadLetters } from "../../infra/dead-letters/dead-letters.ts";
import { letterOf } from "../../infra/dead-letters/letter-of-record.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import type { Jobs, RunHandler } from "../../infra/jobs/jobs.ts";
import { measureRuns } from "../../infra/jobs/run-metrics.ts";
import { Membership } from "../../infra/kafka/membership.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import type { Log } from "../../infra/log/log.ts";
import { Eraser } from "../../infra/master/eraser.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { measureMaster } from "../../infra/master/master-metrics.ts";
import { ReplicatedSeal } from "../../infra/tail/replicated-seal.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { keepArchiving } from "../../ingestion/keep-archiving.ts";
import { compactBeside } from "../compaction.ts";
import { openErasures } from "../erasures.ts";
import { type ClusterNode, duckdbShare, registerHealth } from "./node.ts";
import { Turns } from "./turns.ts";

/**
 * Archiver and batch layer. Of all such processes one writes the master dataset and does the runs, the others stand by; all
 * of them ask for what the schedule says.
 */
export async function runBatch(node: ClusterNode, lifecycle: Lifecycle) {
  const { app, logger } = node;
  const log = await node.openLog();
  const deadLetters = node.deadLetters(log);
  const jobs = await node.openJobs(randomUUID);
  lifecycle.use(
    scheduleRuns(app, jobs, (err) => logger.error({ err }, "the schedule's run can't be asked for")),
  );
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  const server = node.createServer();
  measureMaster(server.metrics, MasterFolder.read(node.folder.master, node.topics));
  const counted = measureRuns(server.metrics);
  const stores = {
    log,
    jobs,
    deadLetters,
    measured: (handler: RunHandler) => counted(node.tracing?.runs(handler) ?? handler),
  };
  const turns = lifecycle.use(new Turns(() => startWriting(node, stores), fail));
  const membership = lifecycle.use(
    await Membership.join({
      settings: node.kafka,
      sessionMs: node.sessionMs,
      group: `tidemark.${app.name}.batch`,
      topics: node.topics.map(({ name }) => name),
      sharing: "one",
      onAssigned: (assignment) =>
        turns.set(Object.values(assignment).some((partitions) => partitions.length > 0)),
      warn: (message) => logger.warn(message),
    }),
  );
  registerHealth(server, "batch", async () => [(await jobs.obstacle()) ?? []].flat());
  return { url: await node.listen(server), done: Promise.race([failed, membership.done]) };
}

/** A run goes on without the speed layer after so many sessions: its partitions have been taken over by then, if by anyone. */
const sessionsPerSeal = 6;

interface BatchStores {
  readonly log: Log;
  readonly jobs: Jobs;
  readonly deadLetters: DeadLetters;
  /** Counts the runs. */
  readonly measured: (handler: RunHandler) => RunHandler;
}

async function startWriting(
  node: ClusterNode,
  { log, jobs, deadLetters, measured }: BatchStores,
): Promise<AsyncDisposable> {
  const { app, folder, topics, logger } = node;
  const lifecycle = new Lifecycle();
  try {
    const temporaryFolder = await node.makeScratch();
    const duckdb = lifecycle.use(await Duckdb.open({ ...duckdbShare(), temporaryFolder }));
    const master = await MasterFolder.own(folder.master, topics);
    const onWatchError = (err: unknown) => logger.error({ err }, "the generations can't be read");
    const generations = await GenerationsFolder.own({ root: folder.generations, onWatchError });
    const pasts = await GenerationsFolder.own({ root: folder.pasts, onWatchError });
    const archiver = new Archiver({
      ...{ app, log, master, duckdb },
      onInvalid: (record, reason, topic, partition) =>
        deadLetters.put([
          { ...letterOf(record, reason, topic, partition), receivedAt: new Date().toISOString() },
        ]),
    });
    const compaction = compactBeside({ events: app.events, master, duckdb });
    lifecycle.use(
      keepArchiving({
        archiver,
        timers: globalThis,
        tidy: compaction.tidy,
        failed: (err) => logger.error({ err }, "archiving failed; it is tried again"),
      }),
    );
    const erasing = new Erasing({
      ...{ app, generations, pasts, foldsAnew: false },
      erasures: openErasures(folder.erasures),
      eraser: new Eraser({ app, master, duckdb, timers: globalThis }),
      alone: (work) => compaction.alone(() => archiver.alone(work)),
      // What lies in topics leaves by their own retention; what a tail has from before the cut counts for nobody.
      others: {
        countLetters: async (leaving) => leaving.map(() => 0),
        eraseLetters: async () => undefined,
        destroyKeys: async () => 0,
        forget: async () => undefined,
      },
    });
    const seal = new ReplicatedSeal({ app, log, newId: randomUUID });
    /** Known only once a run asks, since looking so far ahead takes a while. */
    let fullWithinMs: number | undefined;
    const perform: RunHandler = async (run, report, signal) => {
      fullWithinMs ??= longestFullIntervalMs(app);
      const within = fullWithinMs;
      try {
        return await compaction.whileReading(() =>
          performRun(
            {
              ...{
                app,
                master,
                generations,
                pasts,
                seal,
                duckdb,
                erasing,
                clock: Date.now,
                timers: globalThis,
              },
              sealedTail: seal,
              fullWithinMs: within,
              sealWithinMs: node.sessionMs * sessionsPerSeal,
              archive: async (until, archiveSignal, progress) =>
                archiver.archive(
                  { ...(await archiver.logEnd()), ...until },
                  { signal: archiveSignal, progress },
                ),
            },
            run,
            report,
            signal,
          ),
        );
      } finally {
        seal.letGo();
      }
    };
    lifecycle.use(jobs.work(measured(node.tellingDrift(perform, lifecycle))));
    return lifecycle;
  } catch (error) {
    await lifecycle[Symbol.asyncDispose]();
    throw error;
  }
}
