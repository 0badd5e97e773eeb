import type { GenerationReader } from "../infra/generations/generations.ts";
import type { Segment } from "../infra/tail/tail.ts";
import type { Cell } from "../views/state.ts";
import type { AccessPath } from "./access-path.ts";
import type { Turns } from "./clock.ts";
import type { ColumnReader, ColumnScans } from "./column-scan.ts";
import { FilledSeries, type SeriesRow } from "./fill.ts";
import type { OrderKey } from "./order.ts";
import type { Plan } from "./plan.ts";
import { madeValue } from "./present.ts";
import { collectTail, type Groups, type Rollup, scanGroups } from "./rollup.ts";
import {
  isTotal,
  type Page,
  PageSink,
  type RowGroup,
  readPoint,
  TotalsSink,
  totalOfNothing,
} from "./rows.ts";
import { TailRows } from "./sessions.ts";
import { isShownAsStored, shownRows } from "./shown-rows.ts";

type Reader = (ColumnReader & Pick<GenerationReader, "scan">) | undefined;

/** What a query's rows are read from, and how. */
export interface Reading {
  readonly plan: Plan;
  readonly path: AccessPath;
  readonly reader: Reader;
  readonly segments: readonly Segment[];
  readonly rollup: Rollup<RowGroup>;
  readonly scans: ColumnScans | undefined;
}

export interface ReadRows {
  readonly page: Page<SeriesRow>;
  /** The state of all rows together; undefined where it was not asked for. */
  readonly totals: readonly Cell[] | undefined;
  /** How many groups there are, those before and after the page too, unless reading ended with the page. */
  readonly groups: number;
}

/** The rows of a query that is carried out by this path. The tail is read before the thread is given up. */
export async function readRows(reading: Reading, turns: Turns): Promise<ReadRows> {
  const { plan, path, reader, segments, rollup, scans } = reading;
  const { view, fill, hasTotals } = plan.query;
  const sinks = () => {
    const page = new PageSink<SeriesRow>(plan, orderKeys(plan));
    const series = fill === undefined ? undefined : new FilledSeries(plan, fill);
    const totals = hasTotals ? new TotalsSink(view, series ?? page) : undefined;
    return { page, series, totals, sink: totals ?? series ?? page };
  };
  let { page, series, totals, sink } = sinks();
  if (path === "point") {
    for (const group of readPoint(plan, rollup, reader, segments)) sink.offer(group);
  } else if (path === "columns" && reader !== undefined && scans !== undefined) {
    let ahead: Groups<RowGroup> | undefined;
    const collect = () => {
      ahead ??= collectTail(plan, segments, rollup);
      return ahead;
    };
    const touched = segments.reduce((entries, { size }) => entries + size, 0);
    const isRead = await scans.scan({ plan, reader, rollup, touched, collect }, sink, turns);
    if (!isRead) {
      // The index of a deleted generation stays until it is closed.
      ({ page, series, totals, sink } = sinks());
      await scanGroups(plan, reader, collect(), rollup, sink, turns);
    }
  } else {
    const { source, ahead } = sourceOf(plan, reader, segments, rollup);
    await scanGroups(plan, source, ahead, rollup, sink, turns);
  }
  const { groups } = series ?? page;
  if (groups === 0 && isTotal(plan.query)) page.offer(totalOfNothing(view));
  for (const row of series?.rows() ?? []) {
    if (turns.isDue()) await turns.next();
    page.offer(row);
  }
  return { page: page.page(), totals: totals?.cells, groups };
}

/** What is scanned, and what of the tail goes in front of it; sessions and overlapping windows are first joined from both. */
function sourceOf(
  plan: Plan,
  reader: Reader,
  segments: readonly Segment[],
  rollup: Rollup<RowGroup>,
): { source: Pick<GenerationReader, "scan"> | undefined; ahead: Groups<RowGroup> } {
  const { stored } = plan.query;
  if (isShownAsStored(stored)) return { source: reader, ahead: collectTail(plan, segments, rollup) };
  const tail = new TailRows(plan, segments);
  const source = shownRows(stored, reader === undefined ? [tail] : [reader, tail]);
  return { source, ahead: new Map() };
}

/** What rows of series are ordered by, made ones by what they show. */
function orderKeys(plan: Plan): (row: SeriesRow) => OrderKey {
  const { orderBy } = plan.query;
  return (row) => {
    const key = plan.orderKeyOf(row, row.cells);
    const { made } = row;
    if (made === undefined) return key;
    return orderBy.map(({ column }, i) =>
      column.kind === "measure" ? madeValue(column.measure.aggregate, made) : (key[i] ?? null),
    );
  };
}
