import type { FastifyInstance } from "fastify";
import type { DeadLetters } from "../infra/dead-letters/dead-letters.ts";
import type { ErasuresFolder } from "../infra/erasures/erasures-folder.ts";
import type { Jobs } from "../infra/jobs/jobs.ts";
import type { Master } from "../infra/master/master.ts";
import type { KeyCount } from "../infra/subject-keys/subject-keys.ts";
import type { Tail } from "../infra/tail/tail.ts";
import type { App } from "../views/app.ts";
import { formatCut } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { isFolded } from "../views/layers.ts";
import type { View } from "../views/view.ts";
import { isAwaited } from "./building.ts";
import type { Clock } from "./clock.ts";
import { describeGeneration } from "./describe.ts";
import { gapOf } from "./gap.ts";
import type { LogBound } from "./log-bound.ts";
import { formatOwn, lagOf } from "./provenance.ts";
import type { Snapshots } from "./snapshot.ts";
import type { Versions } from "./versions.ts";

export interface StatusParts {
  readonly app: App;
  readonly versions: Versions;
  readonly profile: string;
  readonly snapshots: Snapshots;
  readonly tail: Tail;
  readonly logStart: LogBound;
  readonly logEnd: LogBound;
  readonly jobs: Jobs;
  readonly deadLetters: DeadLetters;
  readonly master: Pick<Master, "cut"> | undefined;
  readonly erasures: Pick<ErasuresFolder, "list"> | undefined;
  readonly keys: (() => KeyStatus) | undefined;
  readonly clock: Clock;
}

/** `forgotten`: records that the speed layer has passed by since it started, since their key was destroyed. */
export interface KeyStatus extends KeyCount {
  readonly forgotten: number;
}

/** How the platform is: status, health, readiness. */
export function registerStatusRoutes(server: FastifyInstance, parts: StatusParts): void {
  const { app, versions, snapshots, deadLetters, clock } = parts;
  const startedAt = clock.now();

  server.get("/v1/status", async () => {
    const log = await logStatus(parts);
    return {
      app: app.name,
      profile: parts.profile,
      uptimeMs: Math.round(clock.now() - startedAt),
      ...log,
      runs: await runStatus(parts.jobs),
      deadLetters: log.logObstacle === null ? await deadLetters.count() : null,
      erasures: await erasureStatus(parts.erasures),
      keys: parts.keys?.() ?? null,
    };
  });

  server.get("/healthz", () => ({ status: "up" }));

  // Without its queue, or the log, a node still answers: it says so, and stays in service.
  server.get("/readyz", async () => {
    const awaited = app.views.filter((view) => isAwaited(view, snapshots, versions));
    const reasons = awaited.flatMap((view) => snapshots.unready(view) ?? []);
    const degraded = await degradations(parts);
    if (reasons.length === 0) return { status: "ready", ...(degraded.length === 0 ? {} : { degraded }) };
    throw new TidemarkError("TIDEMARK_NOT_READY", [...reasons, ...degraded].join("; "));
  });
}

/** What is not as it should be, though answers are right. */
async function degradations({
  app,
  versions,
  logStart,
  logEnd,
  tail,
  jobs,
}: StatusParts): Promise<readonly string[]> {
  const [queue, { isCurrent }, { cut: starts }] = await Promise.all([
    jobs.obstacle(),
    logEnd.current(),
    logStart.current(),
  ]);
  return [
    queue,
    isCurrent ? undefined : silentLog,
    ...versions.displaced,
    ...app.views.filter(isFolded).map((view) => gapOf(view, tail.position(view), starts)),
  ].filter((each) => each !== undefined);
}

const silentLog = "the log does not answer: there may be events that no answer knows of";

async function logStatus({ app, versions, logStart, logEnd, master, snapshots }: StatusParts) {
  const [{ cut: end, isCurrent }, { cut: starts }] = await Promise.all([
    logEnd.current(),
    logStart.current(),
  ]);
  const archived = master === undefined ? null : formatCut(await master.cut());
  const describe = (view: View) => {
    const manifest = snapshots.batch(view)?.reader.manifest;
    const position = snapshots.position(view);
    return {
      fingerprint: view.fingerprint,
      layers: view.layers,
      isActive: versions.isActive(view),
      isBuilding: snapshots.isBuilding(view),
      generation: manifest === undefined ? null : describeGeneration(manifest),
      tail: tailStatus(snapshots, view),
      position: formatOwn(view, position),
      lag: lagOf(view, position, end),
      unready: snapshots.unready(view) ?? null,
      gap: isFolded(view) ? (gapOf(view, position, starts) ?? null) : null,
    };
  };
  return {
    log: Object.fromEntries(
      Object.entries(end).map(([topic, nexts]) => [topic, { starts: starts[topic] ?? [], nexts }]),
    ),
    logObstacle: isCurrent ? null : silentLog,
    archived,
    views: Object.fromEntries(app.views.map((view) => [view.name, describe(view)])),
  };
}

function tailStatus(snapshots: Snapshots, view: View) {
  if (snapshots.unready(view) !== undefined) return null;
  const segments = snapshots.segments(snapshots.serving(view));
  return { segments: segments.length, entries: segments.reduce((entries, { size }) => entries + size, 0) };
}

/** Those that are not done, and those of which the files of stores have free pages yet. */
async function erasureStatus(erasures: StatusParts["erasures"]) {
  const all = (await erasures?.list()) ?? [];
  return {
    pending: all.filter(({ state }) => state === "pending").length,
    uncompacted: all.filter(({ state, compactedAt }) => state === "done" && compactedAt === null).length,
  };
}

async function runStatus(jobs: Jobs) {
  const obstacle = await jobs.obstacle();
  if (obstacle !== undefined) return { running: null, queued: null, last: null, obstacle };
  const runs = await jobs.list(100);
  return {
    running: runs.find(({ state }) => state === "running") ?? null,
    queued: runs.filter(({ state }) => state === "queued").length,
    last: runs.find(({ finishedAt }) => finishedAt !== null) ?? null,
    obstacle: null,
  };
}
