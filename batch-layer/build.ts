import type { DuckDBConnection } from "@duckdb/node-api";
import type { GenerationDraft, GenerationsWriter, Manifest } from "../infra/generations/generations.ts";
import type { Lifecycle } from "../infra/lifecycle.ts";
import type { Timers } from "../infra/timers.ts";
import type { Cut } from "../views/cut.ts";
import { cutOf } from "../views/mapping.ts";
import type { View } from "../views/view.ts";
import { generationId } from "./generation-id.ts";
import { reconcile, type Served } from "./reconcile.ts";
import type { Progress } from "./run-progress.ts";
import type { Source } from "./source.ts";
import { compileSql, copyToParquet, countSql } from "./sql.ts";
import { readStateRows } from "./state-rows.ts";
import { runStatement } from "./statement.ts";

export interface Build {
  readonly run: string;
  readonly view: View;
  /** By `view.mappings`. */
  readonly sources: readonly Source[];
  /** Asked only once the states are computed: what it finds is then read at once. */
  readonly served: () => Promise<Served>;
  readonly cut: Cut;
  readonly generations: GenerationsWriter;
  readonly connection: DuckDBConnection;
  readonly clock: () => number;
  readonly timers: Timers;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** A generation that is whole and not yet visible. */
export interface Built {
  readonly draft: GenerationDraft;
  readonly manifest: Manifest;
}

/** Computes a view's states over its sources, indexes them and reconciles. The draft is discarded at the end of `ends`. */
export async function buildGeneration(build: Build, ends: Lifecycle): Promise<Built> {
  const { view, sources, connection, clock, progress, signal } = build;
  const startedMs = clock();
  const id = generationId(build.run, view.name, startedMs);
  const draft = await build.generations.draft(view, id);
  ends.defer(() => draft.discard());

  progress.computing(view, 0);
  const states = copyToParquet(compileSql(view, sources), draft.statesPath);
  const { rowsChanged } = await runStatement(connection, states, signal, build.timers);
  const computeMs = clock() - startedMs;
  const counted = await runStatement(connection, countSql(sources), signal, build.timers);
  const [[records = 0] = []] = await counted.getRows();

  progress.reconciling(view, 0);
  const batch = readStateRows(connection, view, draft.statesPath);
  const reconciled = await reconcile(view, batch, await build.served(), draft, (rows) => {
    signal.throwIfAborted();
    progress.reconciling(view, rows / rowsChanged);
  });
  const manifest: Manifest = {
    id,
    view: view.name,
    fingerprint: view.fingerprint,
    cut: cutOf(view, build.cut),
    run: build.run,
    createdAt: new Date(startedMs).toISOString(),
    ...reconciled,
    records: Number(records),
    computeMs,
  };
  return { draft, manifest };
}
