import { type Duckdb, interruptible } from "../infra/duckdb.ts";
import type { Manifest } from "../infra/generations/generations.ts";
import type { Lifecycle } from "../infra/lifecycle.ts";
import { TidemarkError } from "../views/errors.ts";
import { cutOf } from "../views/mapping.ts";
import { fullAtOf } from "./base.ts";
import type { Build, Built } from "./build.ts";
import { generationId } from "./generation-id.ts";
import { reconcileIncrement } from "./reconcile-increment.ts";
import type { SealedRows } from "./served.ts";
import { compileSql } from "./sql.ts";
import { readStatement } from "./state-rows.ts";
import { TouchedStates } from "./touched-states.ts";
import { defaultPartRows } from "./write-parts.ts";

/** The sources are of the records since the base's cut. */
export interface BuildIncrement extends Build {
  /** A generation of this declaration whose cut is nowhere beyond the run's. */
  readonly base: Manifest;
  readonly tail: SealedRows;
  readonly duckdb: Duckdb;
}

/**
 * The generation that a full computation gives, made of the base and the states of the records since its cut: what it takes
 * follows these, but for a copy of the base's index. Throws TIDEMARK_STORE_CORRUPT where the base is not what it should be.
 */
export async function buildIncrement(build: BuildIncrement, ends: Lifecycle): Promise<Built> {
  const { view, base, sources, tail, connection, clock, progress, signal, timers } = build;
  const { partRows = defaultPartRows } = build;
  const startedMs = clock();
  const id = generationId(build.run, view.name, startedMs);
  progress.computing(view, 0);
  const begin = async () => {
    const draft = await build.generations.draft(view, id, base);
    ends.defer(() => draft.discard());
    return draft;
  };
  const [draft, counted] = await both(begin(), build.countRecords(build));
  const records = base.records + counted;
  const writer = await build.duckdb.connect();
  ends.defer(() => build.duckdb.disconnect(writer));
  const touched = await TouchedStates.create({
    ...{ view, base, draft, partRows, connection: writer, timers, signal },
  });
  const reconciled = await interruptible(connection, signal, timers, () =>
    reconcileIncrement({
      ...{ view, base, tail, index: draft },
      delta: readStatement(connection, view, compileSql(view, sources)),
      onRow: (row, isNew) => touched.append(row, isNew),
      onChunk: () => {
        signal.throwIfAborted();
        progress.reconciling(view, 0);
      },
    }),
  );
  // While DuckDB writes the files.
  const flush = async () => draft.flush();
  const [parts] = await both(touched.finish(), flush());
  const written = parts.reduce((sum, { rows }) => sum + rows, 0);
  if (written !== reconciled.rows) {
    throw new TidemarkError(
      "TIDEMARK_STORE_CORRUPT",
      `the files of generation "${base.id}" of view "${view.name}" lead to ${written} rows, its index to ${reconciled.rows}`,
    );
  }
  progress.reconciling(view, 1);
  const manifest: Manifest = {
    ...{ id, view: view.name, fingerprint: view.fingerprint, cut: cutOf(view, build.cut), run: build.run },
    ...{ createdAt: new Date(startedMs).toISOString(), ...reconciled, records, parts },
    base: { id: base.id, fullAt: fullAtOf(base) },
    computeMs: clock() - startedMs,
  };
  return { draft, manifest };
}

/** Rejects only when neither is under way any more. */
async function both<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return Promise.all([a, b]);
}
