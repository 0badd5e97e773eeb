import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { compileSql, copyToParquet } from "../../batch-layer/sql.ts";
import { readStateRows } from "../../batch-layer/state-rows.ts";
import { type ArchivedRecord, RecordTable } from "../../infra/master/record-table.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import { Decoder } from "../../views/decoder.ts";
import { DuplicateWindow } from "../../views/duplicates.ts";
import type { EventType } from "../../views/event.ts";
import { sessionRows } from "../../views/session-rows.ts";
import type { StateRow } from "../../views/state.ts";
import { formatTime } from "../../views/time.ts";
import { shownView, type View } from "../../views/view.ts";
import { startOf } from "../../views/window.ts";

type Columns = Readonly<Record<string, unknown>>;

/** Envelopes without their type as records of one partition, as both layers take them. */
export function recordsOf(type: EventType, envelopes: readonly Columns[]): readonly ArchivedRecord[] {
  const decoder = new Decoder([type]);
  const duplicates = new DuplicateWindow(type.duplicatesWithin);
  return envelopes.map((envelope, i) => {
    const event = decoder.decode(JSON.stringify({ type: type.name, ...envelope }));
    const isDuplicate = duplicates.note(event.source, event.id, offset(i));
    return { partition: 0, offset: offset(i), event, isDuplicate, rest: null };
  });
}

/** The view's rows as they are shown: the batch layer's states of the records before `cut`, merged with the speed layer's of the rest. */
export async function answerOf(
  connection: DuckDBConnection,
  folder: string,
  view: View,
  records: readonly ArchivedRecord[],
  cut: number,
): Promise<readonly Columns[]> {
  const merged = new TailSegment(view, 0, offset(0));
  for (const row of await computed(connection, folder, view, records.slice(0, cut))) merged.mergeRow(row);
  for (const row of folded(view, records.slice(cut))) merged.mergeRow(row);
  const rows = merged.sortedRows();
  const { sessions } = view;
  return [...(sessions === undefined ? rows : sessionRows(sessions, rows))].map((row) =>
    shown(shownView(view), row),
  );
}

async function computed(
  connection: DuckDBConnection,
  folder: string,
  view: View,
  records: readonly ArchivedRecord[],
): Promise<readonly StateRow[]> {
  const [master, states] = [join(folder, "master.parquet"), join(folder, "states.parquet")];
  const table = await RecordTable.create(connection, view.from);
  for (const record of records) table.append(record);
  await table.writeParquet(master);
  const source = { event: view.from, covered: [master], straddling: [] };
  const { sql, parameters } = copyToParquet(compileSql(view, source), states);
  await connection.run(sql, [...parameters]);
  const rows: StateRow[] = [];
  for await (const chunk of readStateRows(connection, view, states)) rows.push(...chunk);
  return rows;
}

function folded(view: View, records: readonly ArchivedRecord[]): readonly StateRow[] {
  const segment = new TailSegment(view, 0, offset(0));
  const events = records.map(({ event, isDuplicate }) => (isDuplicate ? null : event));
  compileFold(view)(segment, events, 0, records);
  return segment.sortedRows();
}

function shown(view: View, { dimensions, pane, cells }: StateRow): Columns {
  return {
    ...Object.fromEntries(view.dimensions.map(({ name }, i) => [name, dimensions[i]])),
    ...(view.window === undefined
      ? {}
      : { [view.window.name]: formatTime(startOf(view.window.window, pane)) }),
    ...Object.fromEntries(
      view.measures.map(({ name, aggregate, firstCell }) => [name, aggregate.present(cells, firstCell)]),
    ),
  };
}
