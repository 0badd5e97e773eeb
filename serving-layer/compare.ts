import type { GenerationReader } from "../infra/generations/generations.ts";
import type { Segment } from "../infra/tail/tail.ts";
import type { Measure, Value } from "../views/aggregate.ts";
import { TidemarkError } from "../views/errors.ts";
import { integer } from "../views/integer.ts";
import { joinSorted } from "../views/sorted-rows.ts";
import type { Cell, StateRow } from "../views/state.ts";
import { copyState, mergeState, type View, zeroState } from "../views/view.ts";
import { noGeneration } from "./building.ts";
import type { Turns } from "./clock.ts";
import { compareValues } from "./order.ts";
import type { Query } from "./parameters.ts";
import type { Group, Plan } from "./plan.ts";
import { compileKeyJson, compileMeasuresJson, valueJson } from "./present.ts";
import { collectTail, gather, type Rollup, type Sink, scanGroups } from "./rollup.ts";
import { type Page, PageSink } from "./rows.ts";
import { readServed, rowKey, type Served, ServedRows } from "./served.ts";
import { type StoredRows, TailRows } from "./sessions.ts";
import { isShownAsStored, shownRows } from "./shown-rows.ts";
import type { Snapshot } from "./snapshot.ts";

/** A group as each layer has it; undefined: no such key there. */
interface ComparedGroup extends Group {
  /** The generation. */
  batch: Cell[] | undefined;
  /** What was being served at the generation's cut. */
  speed: Cell[] | undefined;
  /** Generation and tail, now. */
  merged: Cell[] | undefined;
}

type Side = "batch" | "speed" | "merged";

/** Why there is, or is not, a speed side. */
export type ComparedWith =
  | { readonly kind: "compared" }
  | { readonly kind: "not-compared"; readonly reason: string };

/** Holds, row by row, the generation against what was being served at the same cut, and against what is served now. */
export class Comparison {
  readonly #served = new WeakMap<GenerationReader, Served>();

  /** The segments, of this moment, go on from where the snapshot's generation ends, which the caller holds. */
  async compare(
    plan: Plan,
    { reader }: Snapshot,
    segments: readonly Segment[],
    turns: Turns,
  ): Promise<{ page: Page<string>; reconciliation: ComparedWith }> {
    const { query } = plan;
    const { view, stored } = query;
    if (reader === undefined) {
      if (query.asOf === undefined) throw noGeneration(stored, "");
      throw new TidemarkError(
        "TIDEMARK_QUERY_NO_GENERATION",
        `view "${view.name}" has no generation that is kept and lies at or before asOf=${query.asOf.text} to compare with`,
      );
    }
    const tail = isShownAsStored(stored) ? undefined : new TailRows(plan, segments);
    const ahead =
      tail === undefined
        ? collectTail(
            plan,
            segments,
            rollupInto(view, () => ["merged"]),
          )
        : new Map<string, ComparedGroup>();
    const { reconciliation, served } = await this.#servedBy(stored, reader, turns);
    for (const row of tail === undefined ? served.added : []) {
      if (isAskedFor(plan, row))
        gather(
          plan,
          ahead,
          row,
          rollupInto(view, () => ["speed"]),
        );
    }
    const page = new PageSink<ComparedGroup>(plan, (group) =>
      plan.orderKeyOf(group, group.merged ?? zeroState(view)),
    );
    const sink: Sink<ComparedGroup> = {
      offer: (group) => {
        if (!query.differing || (reconciliation.kind === "compared" && differs(query, group)))
          page.offer(group);
      },
      get isFull() {
        return page.isFull;
      },
    };
    if (tail === undefined) {
      await scanGroups(plan, reader, ahead, generationRollup(view, served), sink, turns);
    } else {
      const of = (...stores: readonly StoredRows[]) => shownRows(stored, stores);
      const asServed = new ServedRows(stored, reader, served);
      const sources = { batch: of(reader), speed: of(asServed), merged: of(reader, tail) };
      const rollup = rollupInto(view, (row) => [(row as SideRow).side]);
      await scanGroups(plan, sideBySide(sources), ahead, rollup, sink, turns);
    }
    const { rows, cursor } = page.page();
    const json = compileJson(query, reconciliation.kind === "compared");
    return { page: { rows: rows.map(json), cursor }, reconciliation };
  }

  async #servedBy(
    view: View,
    reader: GenerationReader,
    turns: Turns,
  ): Promise<{ reconciliation: ComparedWith; served: Served }> {
    const { reconciliation } = reader.manifest;
    const nothing: Served = { differing: new Map(), added: [] };
    if (reconciliation.kind === "not-compared") {
      return { reconciliation: { kind: "not-compared", reason: reconciliation.reason }, served: nothing };
    }
    if (reconciliation.differing === 0) return { reconciliation: { kind: "compared" }, served: nothing };
    const served = this.#served.get(reader) ?? (await readServed(view, reader, turns));
    this.#served.set(reader, served);
    const kept = served.differing.size + served.added.length;
    if (kept < reconciliation.differing) {
      const reason = `${reconciliation.differing} keys differed, of which only the first ${kept} were kept`;
      return { reconciliation: { kind: "not-compared", reason }, served: nothing };
    }
    return { reconciliation: { kind: "compared" }, served };
  }
}

/** A row of one side alone. */
interface SideRow extends StateRow {
  readonly side: Side;
}

/** The rows of all sides in one order. */
function sideBySide(
  sources: Readonly<Record<Side, Pick<GenerationReader, "scan">>>,
): Pick<GenerationReader, "scan"> {
  return {
    *scan(prefix, from, to, within): Generator<SideRow, void, undefined> {
      for (const rows of joinSorted(sides.map((side) => sources[side].scan(prefix, from, to, within)))) {
        for (const [i, side] of sides.entries()) {
          const row = rows[i];
          if (row !== undefined) yield { ...row, side };
        }
      }
    },
  };
}

function isAskedFor(plan: Plan, { dimensions, pane }: StateRow): boolean {
  const { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY } = plan.query;
  return pane >= from && pane < to && plan.matches(plan.widen(dimensions));
}

/** Rows of the generation count on all sides; where something else was served, that counts as speed. */
function generationRollup(view: View, { differing }: Served): Rollup<ComparedGroup> {
  if (differing.size === 0) return rollupInto(view, () => ["batch", "speed", "merged"]);
  const plain = rollupInto(view, () => ["batch", "merged"]);
  return {
    start(row, bucket, dimensions) {
      const group = plain.start(row, bucket, dimensions);
      addSpeed(group, row);
      return group;
    },
    add(group, row) {
      plain.add(group, row);
      addSpeed(group, row);
    },
    combine: plain.combine,
  };
  function addSpeed(group: ComparedGroup, row: StateRow): void {
    const served = differing.get(rowKey(view, row.dimensions, row.pane));
    if (served !== null) mergeSide(view, group, "speed", served ?? row.cells);
  }
}

const sides: readonly Side[] = ["batch", "speed", "merged"];

function rollupInto(view: View, sidesOf: (row: StateRow) => readonly Side[]): Rollup<ComparedGroup> {
  const add = (group: ComparedGroup, row: StateRow) => {
    for (const side of sidesOf(row)) mergeSide(view, group, side, row.cells);
  };
  return {
    start(row, bucket, dimensions) {
      const group = { dimensions, pane: bucket, batch: undefined, speed: undefined, merged: undefined };
      add(group, row);
      return group;
    },
    add,
    combine(group, ahead) {
      for (const side of sides) {
        const cells = ahead[side];
        if (cells !== undefined) mergeSide(view, group, side, cells);
      }
    },
  };
}

function mergeSide(view: View, group: ComparedGroup, side: Side, cells: readonly Cell[]): void {
  const mine = group[side];
  if (mine === undefined) group[side] = copyState(view, cells);
  else mergeState(view, mine, cells);
}

function differs({ measures }: Query, { batch, speed }: ComparedGroup): boolean {
  if (batch === undefined || speed === undefined) return batch !== speed;
  return measures.some(
    (measure) => compareValues(presented(measure, batch), presented(measure, speed)) !== 0,
  );
}

function presented({ aggregate, firstCell }: Measure, cells: readonly Cell[]): Value {
  return aggregate.present(cells, firstCell);
}

function compileJson(query: Query, hasSpeed: boolean): (group: ComparedGroup) => string {
  const { view, measures } = query;
  const keyJson = compileKeyJson(query);
  const measuresJson = compileMeasuresJson(query);
  const sideJson = (cells: readonly Cell[] | undefined) =>
    cells === undefined ? "null" : `{${measuresJson(cells)}}`;
  const differenceJson = (batch: readonly Cell[], speed: readonly Cell[]) =>
    measures
      .map((measure) => {
        const difference = subtract(presented(measure, batch), presented(measure, speed));
        return `${JSON.stringify(measure.name)}:${valueJson(difference)}`;
      })
      .join(",");
  return ({ dimensions, pane, batch, speed, merged }) => {
    const key = keyJson(dimensions, pane);
    const difference = hasSpeed
      ? `{${differenceJson(batch ?? zeroState(view), speed ?? zeroState(view))}}`
      : "null";
    const values = `"batch":${sideJson(batch)},"speed":${hasSpeed ? sideJson(speed) : "null"},"merged":${sideJson(merged)}`;
    return `{${key}${key === "" ? "" : ","}${values},"difference":${difference}}`;
  };
}

/** Null where one of them is no number. */
function subtract(a: Value, b: Value): Value {
  if (typeof a === "bigint" || typeof b === "bigint") {
    return isNumeric(a) && isNumeric(b) ? integer(BigInt(a) - BigInt(b)) : null;
  }
  if (typeof a !== "number" || typeof b !== "number") return null;
  const difference = a - b;
  return Number.isInteger(a) && Number.isInteger(b) && !Number.isSafeInteger(difference)
    ? integer(BigInt(a) - BigInt(b))
    : difference;
}

function isNumeric(value: Value): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}
