import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Source } from "../../batch-layer/source.ts";
import { compileSql, copyToParquet } from "../../batch-layer/sql.ts";
import { readStateRows } from "../../batch-layer/state-rows.ts";
import { type ArchivedRecord, RecordTable } from "../../infra/master/record-table.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import { Decoder } from "../../views/decoder.ts";
import { DuplicateWindow } from "../../views/duplicates.ts";
import { exists } from "../../views/existence.ts";
import type { Mapping } from "../../views/mapping.ts";
import { sessionRows } from "../../views/session-rows.ts";
import { slidingRows, slidingWindow } from "../../views/sliding-rows.ts";
import type { StateRow } from "../../views/state.ts";
import { formatTime } from "../../views/time.ts";
import { shownView, type View } from "../../views/view.ts";
import { startOf } from "../../views/window.ts";

type Columns = Readonly<Record<string, unknown>>;

/** A record of one of a view's topics, all of which have one partition here. */
export interface ViewRecord {
  readonly mapping: Mapping;
  readonly record: ArchivedRecord;
}

/** Envelopes as both layers take them, those of the view's types; `type` is that of those that say none. */
export function recordsOf(view: View, envelopes: readonly Columns[], type: string): readonly ViewRecord[] {
  const topics = new Map(
    view.mappings.map((mapping) => {
      const duplicates = new DuplicateWindow(mapping.event.duplicatesWithin);
      return [mapping.event.name, { mapping, duplicates, decoder: new Decoder([mapping.event]), next: 0 }];
    }),
  );
  return envelopes.flatMap((envelope): ViewRecord[] => {
    const topic = topics.get(String(envelope.type ?? type));
    if (topic === undefined) return [];
    const event = topic.decoder.decode(JSON.stringify({ type, ...envelope }));
    const at = offset(topic.next++);
    const isDuplicate = topic.duplicates.note(event.source, event.id, at);
    const record = { partition: 0, offset: at, event, isDuplicate, rest: null };
    return [{ mapping: topic.mapping, record }];
  });
}

/** The view's rows as shown: the batch layer's states of the records before `cut`, merged with the speed layer's of the rest. */
export async function answerOf(
  connection: DuckDBConnection,
  folder: string,
  view: View,
  records: readonly ViewRecord[],
  cut: number,
): Promise<readonly Columns[]> {
  const merged = new TailSegment(view, 0, offset(0));
  for (const row of await computed(connection, folder, view, records.slice(0, cut))) merged.mergeRow(row);
  for (const mapping of view.mappings) {
    for (const row of folded(view, mapping, recordsIn(mapping, records.slice(cut)))) merged.mergeRow(row);
  }
  const rows = merged.sortedRows();
  const { sessions, existence } = view;
  const existing = rows.filter(({ cells }) => existence === undefined || exists(existence, cells));
  const sliding = slidingWindow(view);
  const windows = sliding === undefined ? existing : slidingRows(view, sliding, existing);
  return [...(sessions === undefined ? windows : sessionRows(sessions, rows))].map((row) =>
    shown(shownView(view), row),
  );
}

function recordsIn(mapping: Mapping, records: readonly ViewRecord[]): readonly ArchivedRecord[] {
  return records.filter((each) => each.mapping === mapping).map(({ record }) => record);
}

async function computed(
  connection: DuckDBConnection,
  folder: string,
  view: View,
  records: readonly ViewRecord[],
): Promise<readonly StateRow[]> {
  const sources: Source[] = [];
  for (const mapping of view.mappings) {
    const { event } = mapping;
    const master = join(folder, `${event.name}.parquet`);
    const table = await RecordTable.create(connection, event);
    for (const record of recordsIn(mapping, records)) table.append(record);
    await table.writeParquet(master);
    sources.push({ event, covered: [master], straddling: [], records: records.length });
  }
  const states = join(folder, "states.parquet");
  const { sql, parameters } = copyToParquet(compileSql(view, sources), states);
  await connection.run(sql, [...parameters]);
  const rows: StateRow[] = [];
  for await (const chunk of readStateRows(connection, view, [states])) rows.push(...chunk);
  return rows;
}

function folded(view: View, mapping: Mapping, records: readonly ArchivedRecord[]): readonly StateRow[] {
  const partition = view.partitions.findIndex((each) => each.mapping === mapping);
  const segment = new TailSegment(view, partition, offset(0));
  const events = records.map(({ event, isDuplicate }) => (isDuplicate ? null : event));
  compileFold(view, mapping)(segment, events, 0, records);
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
