import type { GenerationDraft, GenerationsWriter, Manifest } from "../infra/generations/generations.ts";
import { freeFiles } from "../infra/generations/state-parts.ts";
import type { Lifecycle } from "../infra/lifecycle.ts";
import type { Cut } from "../views/cut.ts";
import { cutOf } from "../views/mapping.ts";
import type { View } from "../views/view.ts";
import type { Countable, CountRecords } from "./count-records.ts";
import { generationId } from "./generation-id.ts";
import { reconcile, type Served } from "./reconcile.ts";
import type { Progress } from "./run-progress.ts";
import type { Source } from "./source.ts";
import { compileSql, intoTable } from "./sql.ts";
import { readStateTable } from "./state-rows.ts";
import { runStatement } from "./statement.ts";
import { defaultPartRows, writeParts } from "./write-parts.ts";

export interface Build extends Countable {
  readonly run: string;
  readonly view: View;
  /** By `view.mappings`. */
  readonly sources: readonly Source[];
  readonly cut: Cut;
  /** How many rows the latest files of states have; default `defaultPartRows`. */
  readonly partRows?: number;
  readonly generations: GenerationsWriter;
  readonly countRecords: CountRecords;
  readonly clock: () => number;
  readonly progress: Progress;
}

export interface BuildInFull extends Build {
  /** Why it is computed from all records. */
  readonly reason: string;
  /** Asked only once the states are computed: what it finds is then read at once. */
  readonly served: () => Promise<Served>;
}

/** A generation that is whole and not yet visible. */
export interface Built {
  readonly draft: GenerationDraft;
  readonly manifest: Manifest;
}

const statesTable = "_states";

/** Computes a view's states over its sources, indexes them and reconciles. The draft is discarded at the end of `ends`. */
export async function buildGeneration(build: BuildInFull, ends: Lifecycle): Promise<Built> {
  const { view, sources, connection, clock, progress, signal, timers, partRows = defaultPartRows } = build;
  const startedMs = clock();
  const id = generationId(build.run, view.name, startedMs);
  const draft = await build.generations.draft(view, id);
  ends.defer(() => draft.discard());

  progress.computing(view, 0);
  const states = intoTable(compileSql(view, sources), statesTable);
  const [[counted = 0] = []] = await (await runStatement(connection, states, signal, timers)).getRows();
  const rows = Number(counted);
  const pathOf = (file: string) => draft.pathOf(file);
  const files = freeFiles([]);
  const table = statesTable;
  const parts = await writeParts({
    ...{ table, rows, from: null, partRows, connection, files, pathOf, timers, signal },
  });
  const computeMs = clock() - startedMs;
  const records = await build.countRecords(build);

  progress.reconciling(view, 0);
  const batch = readStateTable(connection, view, statesTable);
  const reconciled = await reconcile(view, batch, await build.served(), draft, (done) => {
    signal.throwIfAborted();
    progress.reconciling(view, done / rows);
  });
  const manifest: Manifest = {
    ...{ id, view: view.name, fingerprint: view.fingerprint, cut: cutOf(view, build.cut), run: build.run },
    ...{ createdAt: new Date(startedMs).toISOString(), ...reconciled, records, parts, computeMs },
    inFull: build.reason,
  };
  return { draft, manifest };
}
