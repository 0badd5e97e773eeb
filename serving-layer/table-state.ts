import type { DimensionFile, DimensionFiles } from "../infra/dimensions/dimension-file.ts";
import type { GenerationReader } from "../infra/generations/generations.ts";
import type { Segment, Tail } from "../infra/tail/tail.ts";
import type { App } from "../views/app.ts";
import type { DimensionTable, EventTable } from "../views/dimension-table.ts";
import { TidemarkError } from "../views/errors.ts";
import type { Scalar } from "../views/expression.ts";
import type { Cell } from "../views/state.ts";
import { copyState, mergeState, type View } from "../views/view.ts";
import type { Layer } from "./layer.ts";
import type { KnownBound } from "./log-bound.ts";
import { type Provenance, provenanceOf } from "./provenance.ts";
import { Recent } from "./recent.ts";
import type { Snapshot, Snapshots } from "./snapshot.ts";

/** Which state of a table an answer used. */
export type TableProvenance =
  | Provenance
  | { readonly file: string; readonly sha256: string; readonly rows: number };

/** A dimension table as of one moment; what happens while it is read does not change it. */
export interface TableState extends Disposable {
  readonly table: DimensionTable;
  /** The attributes' values of a key, in the table's order; undefined: there is no such row. */
  find(key: Scalar): readonly Scalar[] | undefined;
  provenance(logEnd: KnownBound): TableProvenance;
}

export interface TableParts {
  readonly app: App;
  readonly snapshots: Snapshots;
  readonly tail: Tail;
  readonly files: DimensionFiles;
}

/** Rows that were looked up and are kept for the next query of the same moment. */
const keptRows = 65_536;

type Rows = Pick<TableState, "find">;

/** Gives the states of dimension tables. */
export class TableStates {
  readonly #parts: TableParts;
  readonly #kept = new Map<string, { snapshot: Snapshot; version: number; rows: Rows }>();

  constructor(parts: TableParts) {
    this.#parts = parts;
  }

  /**
   * The table as it is now: of events, generation and tail together, or of `layer=batch` the generation alone. To be
   * disposed of, since it keeps the generation open. Throws TIDEMARK_NOT_READY, TIDEMARK_QUERY_NO_GENERATION.
   */
  now(table: DimensionTable, layer: Layer): TableState {
    return table.kind === "file" ? this.#ofFile(table) : this.#ofEvents(table, layer === "batch");
  }

  #ofFile(table: DimensionTable): TableState {
    const file: DimensionFile | undefined = this.#parts.files.get(table);
    if (file === undefined) throw new Error(`the file of dimension "${table.name}" was not read`);
    const { path, sha256, rows } = file;
    return {
      table,
      find: (key) => rows.get(key),
      provenance: () => ({ file: path, sha256, rows: rows.size }),
      [Symbol.dispose]: () => undefined,
    };
  }

  #ofEvents(table: EventTable, isBatch: boolean): TableState {
    const view = viewOf(this.#parts.app, table);
    const { snapshots, tail } = this.#parts;
    const snapshot = isBatch ? batchOf(snapshots, view) : snapshots.serving(view);
    const segments = isBatch ? [] : snapshots.segments(snapshot);
    const position = isBatch ? snapshot.cut : tail.position(view);
    const { find } = this.#rows(table, snapshot, segments, isBatch);
    const hold = snapshots.hold(snapshot);
    return {
      table,
      find,
      provenance: (logEnd) => provenanceOf(isBatch ? "batch" : "merged", snapshot, position, logEnd),
      [Symbol.dispose]: () => hold[Symbol.dispose](),
    };
  }

  #rows(table: EventTable, snapshot: Snapshot, segments: readonly Segment[], isBatch: boolean): Rows {
    const { version } = this.#parts.tail;
    const key = `${table.name} ${isBatch}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.snapshot.reader === snapshot.reader && kept.version === version) {
      return kept.rows;
    }
    const rows = rowsOf(table, snapshot.reader, segments);
    this.#kept.set(key, { snapshot, version, rows });
    return rows;
  }
}

/** The app's own view of the table: it is over the event types as the folder has them. */
export function viewOf({ views }: App, table: EventTable): View {
  return views.find(({ name }) => name === table.view.name) ?? table.view;
}

function batchOf(snapshots: Snapshots, view: View): Snapshot {
  const snapshot = snapshots.batch(view);
  if (snapshot !== undefined) return snapshot;
  throw new TidemarkError(
    "TIDEMARK_QUERY_NO_GENERATION",
    `dimension "${view.name}" has no generation yet: start a run with POST /v1/batch/runs, or ask without layer=batch`,
  );
}

/** The tail's part is taken in now; of the generation, which does not change, rows are read when they are asked for. */
function rowsOf(table: EventTable, reader: GenerationReader | undefined, segments: readonly Segment[]): Rows {
  const { view } = table;
  const ahead = new Map<Scalar, Cell[]>();
  for (const segment of segments) {
    for (const { dimensions, cells } of segment.entriesIn(0)) {
      const key = dimensions[0] ?? null;
      const known = ahead.get(key);
      if (known === undefined) ahead.set(key, copyState(view, cells));
      else mergeState(view, known, cells);
    }
  }
  const read = (key: Scalar): readonly Scalar[] | undefined => {
    const cells = ahead.get(key);
    const base = reader?.group([key], undefined, undefined)[0]?.cells;
    if (cells === undefined) return base && table.rowOf(base);
    if (base === undefined) return table.rowOf(cells);
    const merged = copyState(view, base);
    mergeState(view, merged, cells);
    return table.rowOf(merged);
  };
  const recent = new Recent<Scalar, { readonly row: readonly Scalar[] | undefined }>(keptRows);
  return {
    find(key) {
      let found = recent.get(key);
      if (found === undefined) {
        found = { row: read(key) };
        recent.set(key, found);
      }
      return found.row;
    },
  };
}
