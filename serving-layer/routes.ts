import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import type { DeadLetters } from "../infra/dead-letters/dead-letters.ts";
import { registerDeadLetters } from "../infra/dead-letters/routes.ts";
import type { DimensionFiles } from "../infra/dimensions/dimension-file.ts";
import type { Generations } from "../infra/generations/generations.ts";
import { KeptGenerations } from "../infra/generations/kept-generations.ts";
import type { Jobs } from "../infra/jobs/jobs.ts";
import type { Log } from "../infra/log/log.ts";
import type { Master } from "../infra/master/master.ts";
import type { Tail } from "../infra/tail/tail.ts";
import type { VersionPointers } from "../infra/versions/version-pointers.ts";
import type { App } from "../views/app.ts";
import { familiesOf } from "../views/version.ts";
import type { View } from "../views/view.ts";
import { bestPath, type Planner } from "./access-path.ts";
import type { FoldRange } from "./as-of/fold-past.ts";
import type { PastLimits } from "./as-of/past-limits.ts";
import { Pasts } from "./as-of/pasts.ts";
import { ChangedEntries } from "./changed-entries.ts";
import { ChangePublisher, type ChangePublisherParts } from "./changes/change-publisher.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { ColumnScans } from "./column-scan.ts";
import { registerConsole } from "./console-routes.ts";
import { type Erasures, registerErasureRoutes } from "./erasure-routes.ts";
import { defaultLiveLimits, type LiveLimits, LiveQueries } from "./live/live-queries.ts";
import { LogBound } from "./log-bound.ts";
import { servingOperations } from "./operations.ts";
import { Queries } from "./query.ts";
import { registerReconciliationRoutes } from "./reconciliation-routes.ts";
import { registerRowsRoute } from "./rows-route.ts";
import { registerRunRoutes } from "./run-routes.ts";
import { measureServing } from "./serving-metrics.ts";
import { Snapshots } from "./snapshot.ts";
import type { SqlEngine } from "./sql/engine.ts";
import { defaultSqlLimits, type SqlLimits } from "./sql/limits.ts";
import { SqlAnswers } from "./sql/sql-answers.ts";
import { registerSqlRoutes } from "./sql/sql-routes.ts";
import { registerStatusRoutes, type StatusParts } from "./status-routes.ts";
import { registerVersionRoutes } from "./version-routes.ts";
import { Versions } from "./versions.ts";
import { registerViewRoutes } from "./view-routes.ts";

export interface ServingParts {
  readonly app: App;
  readonly generations: Generations;
  readonly tail: Tail;
  readonly log: Log;
  readonly jobs: Jobs;
  readonly deadLetters: DeadLetters;
  /** What the files of the app's dimension tables hold; needed for every one that it has. */
  readonly files?: DimensionFiles;
  /** What reads wide scans by columns; without it they are read from the index. */
  readonly scans?: ColumnScans;
  /** Which version each name means; without them the lowest that is declared, for good. */
  readonly pointers?: VersionPointers;
  /** What carries out SQL; without it there is none. */
  readonly sql?: { readonly engine: SqlEngine; readonly limits?: SqlLimits };
  /** What folds past records; without it answers can be as of generations' cuts alone. */
  readonly past?: {
    readonly fold: FoldRange;
    readonly limits?: Partial<PastLimits>;
    /** What runs have computed of the past. */
    readonly generations?: Pick<Generations, "list" | "open">;
  };
  /** Without them none can be asked for. */
  readonly erasures?: Erasures;
  /** Of subjects whose events the log holds encrypted; for the status only. */
  readonly keys?: StatusParts["keys"];
  /** For the status only. */
  readonly master?: Pick<Master, "cut" | "files">;
  /** "embedded" or "cluster", for the status only. */
  readonly profile: string;
  readonly clock?: Clock;
  readonly live?: Partial<LiveLimits>;
  /** Takes the best path of each query; a test may take others. */
  readonly planner?: Planner;
}

const renewMs = 30_000;

export interface Serving extends AsyncDisposable {
  /** Resolves once every view is served from its present generation, or half a minute is over; the past is forgotten then. */
  renew(): Promise<void>;
  /** Has a topic tell the rows of one of the app's views until it is disposed of, which must be before this is. */
  publishChanges(
    view: View,
    to: Pick<ChangePublisherParts, "topic" | "log" | "newId" | "count">,
  ): AsyncDisposable;
}

/** Adds the serving layer to a server. Closing the server ends event streams; dispose of the result after that. */
export function registerServing(server: FastifyInstance, parts: ServingParts): Serving {
  const { app, generations, tail, jobs, deadLetters, master, profile, clock = systemClock } = parts;
  const { files = new Map(), planner = bestPath } = parts;
  const warn = (message: string, error: unknown) => server.log.warn({ err: error }, message);
  const versions = new Versions({
    views: app.views,
    pointers: parts.pointers,
    warn: (message) => server.log.error(message),
  });
  server.openApi.describe(servingOperations(app, versions));
  const snapshots = new Snapshots({ views: app.views, generations, tail, clock, warn });
  const topics = app.events.map(({ name }) => name);
  const logEnd = new LogBound(parts.log, topics, "nexts", clock);
  const logStart = new LogBound(parts.log, topics, "starts", clock);
  const { past } = parts;
  const kept = past?.generations ? new KeptGenerations(generations, past.generations) : generations;
  const pasts = new Pasts({
    generations: kept,
    snapshots,
    fold: past?.fold,
    limits: past?.limits ?? {},
    clock,
    warn,
  });
  const queries = new Queries({
    ...{ app, versions, snapshots, pasts, tail, files, logEnd, clock, planner, scans: parts.scans },
    salt: randomUUID(),
  });
  const changed = new ChangedEntries();
  const live = new LiveQueries(
    { queries, versions, snapshots, tail, changed, logEnd, clock },
    { ...defaultLiveLimits, ...parts.live },
  );
  const erasures = parts.erasures?.store;
  registerViewRoutes(server, { generations, snapshots, queries, versions, jobs, erasures });
  if (parts.pointers !== undefined) {
    registerVersionRoutes(server, { generations, snapshots, queries, versions, jobs, clock });
  }
  if (parts.sql !== undefined) {
    const { engine, limits = defaultSqlLimits } = parts.sql;
    const answers = new SqlAnswers({
      ...{ app, versions, snapshots, pasts, kept, tail, logEnd, engine, limits, clock },
    });
    registerSqlRoutes(server, answers, limits);
  }
  registerRowsRoute(server, queries, live, clock, jobs);
  registerReconciliationRoutes(server, { app, generations, jobs, queries });
  registerRunRoutes(server, { app, queries, logEnd, jobs, clock });
  registerStatusRoutes(server, {
    ...{ app, versions, profile, snapshots, tail, logStart, logEnd, jobs, deadLetters, master, clock },
    ...{ erasures, keys: parts.keys },
  });
  registerDeadLetters(server, deadLetters);
  registerErasureRoutes(server, { app, jobs, erasures: parts.erasures });
  registerConsole(server, { app: app.name, tidemark: "see these", addresses: addressesOf(app) });
  measureServing(server.metrics, { app, versions, snapshots, logEnd, master, live });
  return {
    renew: async () => {
      await snapshots.followed(renewMs);
      pasts.forgetAll();
    },
    publishChanges: (view, to) => new ChangePublisher({ view, snapshots, changed, clock, warn, ...to }),
    [Symbol.asyncDispose]: async () => {
      logStart[Symbol.dispose]();
      logEnd[Symbol.dispose]();
      live[Symbol.dispose]();
      versions[Symbol.dispose]();
      await pasts[Symbol.asyncDispose]();
      await snapshots[Symbol.asyncDispose]();
    },
  };
}

function addressesOf(app: App): readonly string[] {
  return [
    "/v1/status",
    "/v1/views",
    ...[...familiesOf(app.views).keys()].flatMap((name) => [
      `/v1/views/${name}/rows?limit=10`,
      `/v1/views/${name}/compare?limit=10`,
    ]),
    "/v1/reconciliations",
    "/v1/batch/runs",
    "/v1/dead-letters",
    "/healthz",
    "/readyz",
  ];
}
