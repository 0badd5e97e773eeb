import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { computeStates } from "../../batch-layer/compute.ts";
import { reconcile } from "../../batch-layer/reconcile.ts";
import { type BatchRow, readStateRows } from "../../batch-layer/state-rows.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import type { Reconciliation } from "../../infra/generations/generations.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import type { Log } from "../../infra/log/log.ts";
import { archivedEvents } from "../../infra/master/archived-events.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { requireReadable, unreadable } from "../../infra/master/readable.ts";
import { type Replay, type Replayed, replayView } from "../../speed-layer/replay.ts";
import { type Cut, recordsBetween } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { isRecomputed } from "../../views/layers.ts";
import { cutOf } from "../../views/mapping.ts";
import { mergeSorted } from "../../views/sorted-rows.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import type { dataFolder } from "../data-folder.ts";
import { type Cost, measured } from "./cost.ts";
import { KeptReplay } from "./keep.ts";
import type { ReplayProgress } from "./progress.ts";

export interface ReplayParts extends Pick<Replay, "archived" | "maxEntries" | "signal"> {
  readonly view: View;
  readonly log: Log;
  readonly folder: ReturnType<typeof dataFolder>;
  /** The id under which what is folded is kept; absent: it is not. */
  readonly keepAs?: string | undefined;
  readonly now: () => number;
  readonly progress: Pick<ReplayProgress, "folding" | "folded" | "computing" | "comparing" | "compared">;
}

export type Compared = Reconciliation & { readonly kind: "compared" };

export interface Outcome {
  readonly cut: Cut;
  /** Null of a view that no generations are made of. */
  readonly generation: string | null;
  readonly replayed: Replayed;
  readonly fold: Cost & { readonly bytes: number };
  readonly batch: Cost & { readonly bytes: number };
  /** The fold beside the generation's states, and beside those that DuckDB has computed just now. */
  readonly held: { readonly generation: Compared | null; readonly computed: Compared };
  /** The id by which the fold can be asked for, if it was kept. */
  readonly keptAs: string | null;
}

/**
 * Folds a view up to the cut of the generation that serves, computes the same by SQL in a folder aside, and holds the fold
 * against both, key by key; a view that no generations are made of, up to where records are archived, against the SQL alone. What
 * it opens is the lifecycle's to close. TIDEMARK_QUERY_NO_GENERATION where no generation serves.
 */
export async function replay(parts: ReplayParts, lifecycle: Lifecycle): Promise<Outcome> {
  const { view, folder, signal, now } = parts;
  const topics = view.mappings.map(({ event: { name, partitions } }) => ({ name, partitions }));
  const master = MasterFolder.read(folder.master, topics);
  const generations = GenerationsFolder.read({ root: folder.generations, onWatchError: () => undefined });
  const manifest = isRecomputed(view) ? await generations.current(view) : undefined;
  if (manifest === undefined && isRecomputed(view)) throw noGeneration(view);
  const cut = manifest?.cut ?? cutOf(view, await master.cut());
  const { keepAs } = parts;
  const kept =
    keepAs === undefined ? undefined : await KeptReplay.begin(folder.pasts, view, keepAs, lifecycle);
  const aside = await mkdtemp(join(tmpdir(), "tidemark-replay-"));
  lifecycle.defer(() => rm(aside, { recursive: true, force: true }));
  const connection = await lifecycle.use(await openDuckdb(aside)).connect();

  const { progress } = parts;
  progress.folding(recordsBetween({}, cut));
  const [folded, fold] = await measured(now, async () => {
    const { segments, replayed } = await replayView({
      ...parts,
      from: {},
      next: cut,
      archivedEvents: (...range) => archivedEvents(connection, master, ...range),
      progress: ({ log, master }) => progress.folded(log.offsets + master.offsets),
    });
    return { replayed, sorted: segments.map((segment) => segment.sortedRows()) };
  });
  progress.computing();
  const statesPath = join(aside, "states.parquet");
  const [computed, batch] = await measured(now, () =>
    computeStates({ view, cut, master, connection, statesPath, timers: globalThis, signal }),
  );
  progress.comparing();
  const heldAgainst = (paths: readonly string[]) =>
    compare(view, readStates(connection, view, paths), folded.sorted, (rows) => {
      signal.throwIfAborted();
      progress.compared(rows);
    });
  const reader = manifest && lifecycle.use(await generations.open(view, manifest.id));
  const { log, master: files } = folded.replayed;
  const held = {
    generation: reader === undefined ? null : await heldAgainst(reader.statesPaths),
    computed: await heldAgainst([statesPath]),
  };
  await kept?.keep({
    ...{ cut, statesPath, connection, signal, computeMs: fold.wallMs },
    rows: mergeSorted(view, folded.sorted),
    reconciliation: held.computed,
  });
  return {
    cut,
    generation: manifest?.id ?? null,
    replayed: folded.replayed,
    fold: { ...fold, bytes: log.bytes + files.bytes },
    batch: { ...batch, bytes: computed.bytes },
    held,
    keptAs: keepAs ?? null,
  };
}

/** As the batch process has it. */
function openDuckdb(temporaryFolder: string): Promise<Duckdb> {
  return Duckdb.open({
    memoryLimit: `${Math.max(256, Math.floor(totalmem() / 4 / 1024 ** 2))}MB`,
    threads: Math.max(1, availableParallelism() - 1),
    temporaryFolder,
  });
}

/** By the comparison that a batch run makes; nothing is kept of it but the report. */
async function compare(
  view: View,
  batch: AsyncIterable<readonly BatchRow[]>,
  sorted: readonly (readonly StateRow[])[],
  onRows: (rows: number) => void,
): Promise<Compared> {
  const folded = { kind: "served", against: null, rows: mergeSorted(view, sorted) } as const;
  const nowhere = { add: () => undefined, addDrift: async () => undefined };
  const { reconciliation } = await reconcile(view, batch, folded, nowhere, onRows);
  if (reconciliation.kind !== "compared") throw new Error(reconciliation.reason);
  return reconciliation;
}

/** TIDEMARK_STORE_CORRUPT names the first file that can't be read. */
async function* readStates(connection: DuckDBConnection, view: View, paths: readonly string[]) {
  try {
    yield* readStateRows(connection, view, paths);
  } catch (cause) {
    await requireReadable(connection, paths);
    throw unreadable(paths.join(", "), cause);
  }
}

function noGeneration({ name }: View): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_QUERY_NO_GENERATION",
    `view "${name}" has no generation as it is declared now, whose cut a replay could go up to: make one with "tidemark batch run"`,
  );
}
