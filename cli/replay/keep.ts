import type { DuckDBConnection } from "@duckdb/node-api";
import { dropPasts } from "../../batch-layer/past-run.ts";
import { stateColumns } from "../../batch-layer/touched-states.ts";
import { defaultPartRows, writeParts } from "../../batch-layer/write-parts.ts";
import { AppendedTable } from "../../infra/appended-table.ts";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import type { GenerationDraft, Reconciliation } from "../../infra/generations/generations.ts";
import { freeFiles } from "../../infra/generations/state-parts.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import { type Cut, recordsBetween } from "../../views/cut.ts";
import { isRecomputed, notRecomputed } from "../../views/layers.ts";
import { cutOf } from "../../views/mapping.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";

/** What was folded, as it is to be kept. */
export interface Folded {
  readonly cut: Cut;
  /** In order of `storageKey`, then pane. */
  readonly rows: Iterable<StateRow>;
  readonly reconciliation: Reconciliation;
  /** A file of states of the view, which knows the columns' types. */
  readonly statesPath: string;
  readonly connection: DuckDBConnection;
  readonly computeMs: number;
  readonly signal: AbortSignal;
}

const [appended, typed] = ["_folded", "_folded states"] as const;

/** Keeps the states of a replay beside the generations, in their form, where answers as of the past find them by their id. */
export class KeptReplay {
  readonly id: string;
  readonly #view: View;
  readonly #pasts: GenerationsFolder;
  readonly #draft: GenerationDraft;

  private constructor(id: string, view: View, pasts: GenerationsFolder, draft: GenerationDraft) {
    this.id = id;
    this.#view = view;
    this.#pasts = pasts;
    this.#draft = draft;
  }

  /** TIDEMARK_GENERATION_EXISTS if there is one of that id; TIDEMARK_VIEW_LAYER for a view that nothing kept is asked of. */
  static async begin(root: string, view: View, id: string, ends: Lifecycle): Promise<KeptReplay> {
    if (!isRecomputed(view)) throw notRecomputed(view, "replay it without --as");
    const pasts = await GenerationsFolder.own({ root, onWatchError: () => undefined });
    const draft = await pasts.draft(view, id);
    ends.defer(() => draft.discard());
    return new KeptReplay(id, view, pasts, draft);
  }

  async keep(folded: Folded): Promise<void> {
    const { cut, connection, statesPath, reconciliation, computeMs, signal } = folded;
    const view = this.#view;
    const table = await AppendedTable.create(connection, appended, stateColumns(view));
    let rows = 0;
    let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const row of folded.rows) {
      table.append(row);
      await this.#draft.add(row);
      [first, last] = [Math.min(first, row.pane), Math.max(last, row.pane)];
      if (++rows % 2_048 === 0) signal.throwIfAborted();
    }
    table.close();
    await connection.run(
      `CREATE OR REPLACE TEMP TABLE "${typed}" AS SELECT * FROM read_parquet($1) LIMIT 0`,
      [statesPath],
    );
    await connection.run(`INSERT INTO "${typed}" BY NAME SELECT * FROM "${appended}"`);
    const pathOf = (file: string) => this.#draft.pathOf(file);
    const parts = await writeParts({
      ...{ table: typed, rows, from: null, partRows: defaultPartRows, connection },
      ...{ files: freeFiles([]), pathOf, timers: globalThis, signal },
    });
    const { name, fingerprint } = view;
    await this.#draft.publish({
      ...{ id: this.id, view: name, fingerprint, cut: cutOf(view, cut), run: `replay-${this.id}` },
      ...{ createdAt: new Date().toISOString(), rows, records: recordsBetween({}, cut), parts },
      panes: rows === 0 ? null : { first, last },
      ...{ inFull: "it was folded", past: "replay", computeMs, reconciliation },
    });
    await dropPasts(this.#pasts, Date.now());
  }
}
