import { randomUUID } from "node:crypto";
import { Erasing } from "../../batch-layer/erasing.ts";
import { performRun } from "../../batch-layer/run.ts";
import { longestFullIntervalMs, scheduleRuns } from "../../batch-layer/schedule.ts";
import { letterOf } from "../../infra/dead-letters/letter-of-record.ts";
import type { LogDeadLetters } from "../../infra/dead-letters/log-dead-letters.ts";
import { readDeclarations } from "../../infra/declarations/declarations.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import type { BullmqJobs } from "../../infra/jobs/bullmq-jobs.ts";
import type { RunHandler } from "../../infra/jobs/jobs.ts";
import { measureRuns } from "../../infra/jobs/run-metrics.ts";
import { Membership } from "../../infra/kafka/membership.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { type Log, trimUpTo } from "../../infra/log/log.ts";
import { linkColdFolder } from "../../infra/master/cold-folder.ts";
import { Eraser } from "../../infra/master/eraser.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { measureMaster } from "../../infra/master/master-metrics.ts";
import { renewTails } from "../../infra/tail/renew-tails.ts";
import { ReplicatedSeal } from "../../infra/tail/replicated-seal.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { keepArchiving } from "../../ingestion/keep-archiving.ts";
import { compactBeside } from "../compaction.ts";
import { erasableLetters, legible, openErasures } from "../erasures.ts";
import { flippingByPolicy } from "../flipping-by-policy.ts";
import type { ClearLog } from "../subject-keys.ts";
import { type ClusterNode, duckdbShare, registerHealth } from "./node.ts";
import { Turns } from "./turns.ts";

/**
 * Archiver and batch layer. Of all such processes one writes the master dataset and does the runs, the others stand by; all
 * of them ask for what the schedule says.
 */
export async function runBatch(node: ClusterNode, lifecycle: Lifecycle) {
  const { app, logger } = node;
  if (node.cold !== undefined) await linkColdFolder(node.folder.master, node.cold.folder);
  const { log, destroyKeys } = await node.openLog();
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
    destroyKeys,
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

/** The speed layer is waited for so many sessions: its partitions have been taken over by then, if by anyone. */
const sessionsPerAnswer = 6;

interface BatchStores {
  readonly log: Log;
  readonly destroyKeys: ClearLog["destroyKeys"];
  readonly jobs: BullmqJobs;
  readonly deadLetters: LogDeadLetters;
  /** Counts the runs. */
  readonly measured: (handler: RunHandler) => RunHandler;
}

async function startWriting(
  node: ClusterNode,
  { log, destroyKeys, jobs, deadLetters, measured }: BatchStores,
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
    const compaction = compactBeside({ events: app.events, master, duckdb }, node.cold?.afterMs);
    lifecycle.use(
      keepArchiving({
        archiver,
        timers: globalThis,
        tidy: compaction.tidy,
        ...node.archiving,
        failed: (err) => logger.error({ err }, "archiving failed; it is tried again"),
      }),
    );
    const seal = new ReplicatedSeal({ app, log, newId: randomUUID });
    const answerWithinMs = node.sessionMs * sessionsPerAnswer;
    const erasures = openErasures(folder.erasures);
    const erasing = new Erasing({
      ...{ app, erasures, generations, pasts, leavesPages: false, forgetsOld: false },
      eraser: new Eraser({ app, master, duckdb, timers: globalThis }),
      others: {
        ...erasableLetters(app, deadLetters),
        destroyKeys,
        forget: async (cut) => {
          await trimUpTo(log, legible(cut, await readDeclarations(folder.declarations)));
          await renewTails({
            ...{ log, newId: randomUUID, signal: AbortSignal.timeout(answerWithinMs) },
            topics: topics.filter(({ name }) => name in cut),
          });
          await jobs.forgetExamples();
        },
      },
      alone: (work) => compaction.alone(() => archiver.alone(work)),
    });
    /** Known only once a run asks, since looking so far ahead takes a while. */
    let fullWithinMs: number | undefined;
    const perform: RunHandler = async (run, report, signal) => {
      fullWithinMs ??= longestFullIntervalMs(app);
      const within = fullWithinMs;
      try {
        return await compaction.whileReading(() =>
          performRun(
            {
              ...{ app, master, generations, pasts, seal, duckdb, clock: Date.now, timers: globalThis },
              sealedTail: seal,
              erasing,
              fullWithinMs: within,
              sealWithinMs: answerWithinMs,
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
    const flipping = flippingByPolicy(node.tellingDrift(perform, lifecycle), {
      ...{ app, generations, root: folder.versions, logger, audit: node.audit },
    });
    lifecycle.use(jobs.work(measured(flipping)));
    if ((await erasures.pending()).length > 0) {
      const request = { requestedBy: "erasure", ifBusy: "refuse" } as const;
      jobs.submit(request).catch((err: unknown) => logger.info({ err }, "a run that is there erases"));
    }
    return lifecycle;
  } catch (error) {
    await lifecycle[Symbol.asyncDispose]();
    throw error;
  }
}
