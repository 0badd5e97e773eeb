import { randomUUID } from "node:crypto";
import { statfsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { scheduleRuns } from "../batch-layer/schedule.ts";
import { publishedViews } from "../infra/changes/published-views.ts";
import { LmdbDeadLetters } from "../infra/dead-letters/lmdb-dead-letters.ts";
import {
  overRecords,
  readDeclarations,
  recordDeclarations,
  requireChangesAllowed,
} from "../infra/declarations/declarations.ts";
import { readDimensionFiles } from "../infra/dimensions/dimension-file.ts";
import { type DrainTimes, drain } from "../infra/drain.ts";
import { lockFolder } from "../infra/folder-lock.ts";
import { GenerationsFolder } from "../infra/generations/folder.ts";
import { createServer } from "../infra/http.ts";
import { EmbeddedJobs } from "../infra/jobs/embedded-jobs.ts";
import { measureRuns } from "../infra/jobs/run-metrics.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import { LmdbLog } from "../infra/log/lmdb-log.ts";
import { logEnd } from "../infra/log/log.ts";
import { linkColdFolder, ownColdFolder } from "../infra/master/cold-folder.ts";
import { MasterFolder } from "../infra/master/folder.ts";
import type { Tracing } from "../infra/tracing.ts";
import { registerIngestion } from "../ingestion/gateway.ts";
import { defaultLimits } from "../ingestion/limits.ts";
import { eventSchemas, ingestionOperations } from "../ingestion/operations.ts";
import { Pressure } from "../ingestion/pressure.ts";
import { registerReplay } from "../ingestion/replay.ts";
import type { PastLimits } from "../serving-layer/as-of/past-limits.ts";
import { registerServing, type Serving } from "../serving-layer/routes.ts";
import { measureFolding } from "../speed-layer/speed-metrics.ts";
import { BatchWorker } from "./batch-worker.ts";
import type { ColdOptions } from "./cold-options.ts";
import { columnScans } from "./column-scans.ts";
import { dataFolder } from "./data-folder.ts";
import { compactStores, erasableLetters, legible, openErasures, undeclaredTypes } from "./erasures.ts";
import { flippingByPolicy } from "./flipping-by-policy.ts";
import { ReceptionWorker } from "./reception-worker.ts";
import type { Security } from "./security.ts";
import { SpeedThread } from "./speed-thread.ts";
import { sqlBudget } from "./sql-budget.ts";
import { SqlWorker } from "./sql-worker.ts";
import { inClear } from "./subject-keys.ts";
import { type DriftOptions, tellingDrift } from "./telling-drift.ts";
import { openVersionPointers } from "./version-pointers.ts";

export interface EmbeddedOptions extends DriftOptions {
  readonly appPath: string;
  readonly data: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Whom it answers; of nothing said, everybody who reaches it. */
  readonly security: Security;
  readonly drain: DrainTimes;
  readonly tracing: Tracing | undefined;
  /** What answers as of the past may take, where it is not what they may by themselves. */
  readonly past?: Partial<PastLimits>;
  /** Without it no file moves; where old ones are already is found all the same. */
  readonly cold?: ColdOptions;
}

export interface Embedded extends AsyncDisposable {
  readonly url: string;
  /** Rejects when it can't go on. */
  readonly done: Promise<void>;
}

/**
 * Everything in one place, with nothing to set up: HTTP and serving layer here, what the gateway takes in and the speed
 * layer in a thread each, archiver and batch layer in a second process. Disposing of it drains
 * requests, writes the checkpoint and ends both.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const lifecycle = new Lifecycle();
  try {
    return await start(options, lifecycle);
  } catch (error) {
    await lifecycle[Symbol.asyncDispose]();
    throw error;
  }
}

async function start(options: EmbeddedOptions, lifecycle: Lifecycle): Promise<Embedded> {
  const { appPath, data, host, port, logger, tracing } = options;
  const files = await readDimensionFiles(options.app, dirname(appPath));
  await mkdir(data, { recursive: true });
  lifecycle.use(await lockFolder(data));
  const folder = dataFolder(data);
  requireChangesAllowed(options.app, await readDeclarations(folder.declarations));
  await compactStores(folder);
  const topics = options.app.events.map(({ name, partitions }) => ({ name, partitions }));
  if (options.cold !== undefined) await linkColdFolder(folder.master, options.cold.folder);
  await ownColdFolder(folder.master, topics);
  const pressure = new Pressure(
    defaultLimits,
    {
      freeBytes: () => {
        const { bavail, bsize } = statfsSync(data);
        return bavail * bsize;
      },
    },
    Date.now,
  );
  const reception = lifecycle.use(await ReceptionWorker.start({ appPath, data, pressure }));
  const stored = lifecycle.use(await LmdbLog.open({ path: folder.log, topics, mode: "reader" }));
  reception.onCommit(() => stored.advanced());
  // Before the server listens: no event is taken yet.
  await recordDeclarations(folder.declarations, options.app, await logEnd(stored, topics));
  const declarations = await readDeclarations(folder.declarations);
  const app = overRecords(options.app, declarations);
  const { log, keyCount } = await inClear(
    { stored, mode: "reader", app, folder, environment: process.env },
    lifecycle,
  );
  const master = MasterFolder.read(folder.master, topics);
  const erasures = openErasures(folder.erasures);
  const deadLetters = lifecycle.use(await LmdbDeadLetters.open({ path: folder.deadLetters }));
  const jobs = lifecycle.use(
    await EmbeddedJobs.open({ path: folder.jobs, clock: Date.now, newId: randomUUID }),
  );
  const onWatchError = (err: unknown) => logger.error({ err }, "the generations can't be read");
  const generations = GenerationsFolder.read({ root: folder.generations, onWatchError });
  const speed = lifecycle.use(
    await SpeedThread.start({
      ...{ app, appPath, data },
      onTailNearBound: () => {
        const request = { requestedBy: "tail-bound", ifBusy: "refuse" } as const;
        jobs.submit(request).catch((err: unknown) => logger.info({ err }, "no run is needed to make room"));
      },
      onUnaligned: (view, err) => logger.warn({ err, view }, "the tail can't reach a generation's cut"),
    }),
  );
  reception.onCommit(() => speed.advanced());
  const worker = lifecycle.use(
    new BatchWorker({
      ...{ appPath, data, coldAfterMs: options.cold?.afterMs },
      seal: () => speed.seal(),
      keepLetter: ({ raw, ...letter }) => {
        const bytes = Buffer.from(raw, "base64");
        const receivedAt = new Date().toISOString();
        return deadLetters.put([{ ...letter, receivedAt, raw: bytes, bytes: bytes.length }]);
      },
      others: {
        ...erasableLetters(app, deadLetters),
        destroyKeys: (subjects) => reception.destroyKeys(subjects),
        forget: async (cut) => {
          await serving?.renew();
          sql.renew();
          await speed.renew(() => reception.trim(legible(cut, declarations)));
          await jobs.forgetExamples();
        },
      },
      timers: globalThis,
      failed: (message) => logger.error(message),
    }),
  );
  let serving: Serving | undefined;
  const server = createServer({ loggerInstance: logger, tracing, ...options.security });
  const pointers = lifecycle.use(await openVersionPointers(folder.versions, app, true, logger));
  const perform = tellingDrift(tracing?.runs(worker.perform) ?? worker.perform, options, lifecycle);
  const { audit } = options.security;
  const flipping = flippingByPolicy(perform, { app, generations, root: folder.versions, logger, audit });
  lifecycle.use(jobs.work(measureRuns(server.metrics)(flipping)));
  lifecycle.use(
    scheduleRuns(app, jobs, (err) => logger.error({ err }, "the schedule's run can't be queued")),
  );
  measureFolding(server.metrics, speed);
  const sql = lifecycle.use(
    new SqlWorker({
      ...{ appPath, data, isCluster: false, budget: sqlBudget(), timers: globalThis },
      folder: join(folder.scratch, "sql"),
      failed: (message) => logger.error(message),
    }),
  );
  const scans = lifecycle.use(columnScans(join(folder.scratch, "scans")));
  for (const { name } of publishedViews(app)) {
    logger.warn(
      `view "${name}" is declared with publish: true, which takes Kafka: without KAFKA_BROKERS its changed rows are told by GET /v1/views/${name}/rows?live=true alone`,
    );
  }
  server.openApi.describe(ingestionOperations(app.events), eventSchemas(app.events));
  registerIngestion(server, { reception: reception.reception, pressure, limits: defaultLimits });
  registerReplay(server, { events: app.events, deadLetters, reception: reception.reception });
  serving = lifecycle.use(
    registerServing(server, {
      app,
      profile: "embedded",
      generations,
      tail: speed.tail,
      log,
      jobs,
      deadLetters,
      files,
      ...{ pointers, scans, sql: { engine: sql } },
      past: {
        fold: (range) => sql.fold(range),
        limits: options.past ?? {},
        generations: GenerationsFolder.read({ root: folder.pasts, onWatchError }),
      },
      master,
      erasures: {
        store: erasures,
        undeclared: undeclaredTypes(app, declarations),
        retire: (subject) => reception.retire(subject),
      },
      keys: keyCount && (() => ({ ...keyCount(), forgotten: speed.skipped.forgotten })),
    }),
  );
  // Closed before what its routes rest on: requests in hand are answered.
  lifecycle.defer(() => drain(server, options.drain));
  await worker.ready();
  if ((await erasures.pending()).length > 0) {
    const request = { requestedBy: "erasure", ifBusy: "refuse" } as const;
    await jobs.submit(request).catch((err: unknown) => logger.info({ err }, "a run that is there erases"));
  }
  const url = await server.listen({ host, port });
  const done = Promise.race([speed.failed, reception.failed]);
  return { url, done, [Symbol.asyncDispose]: () => lifecycle[Symbol.asyncDispose]() };
}
