import type { GenerationReader } from "../../infra/generations/generations.ts";
import type { Entry, Segment } from "../../infra/tail/tail.ts";
import type { Scalar } from "../../views/expression.ts";
import type { Cell } from "../../views/state.ts";
import { copyState, zeroState } from "../../views/view.ts";
import type { Turns } from "../clock.ts";
import { FirstRows, type OrderKey } from "../order.ts";
import type { Group, Plan } from "../plan.ts";
import { compileKeyJson, compileRowJson } from "../present.ts";
import { forEachEntry, scanGroups } from "../rollup.ts";
import { isTotal, type RowGroup, rowRollup, totalOfNothing } from "../rows.ts";
import { EntrySum } from "./entry-sum.ts";

/** How many groups are held for one live query. One of more is asked anew each time. */
export const mostLiveGroups = 50_000;

/** A row of the answer that is kept up to date. */
interface LiveGroup extends Group {
  /** Of the generation. */
  readonly base: readonly Cell[] | undefined;
  /** Of the tail. */
  readonly entries: EntrySum;
  /** That the last entry lies in. */
  stretch: Stretch | undefined;
  cells: readonly Cell[];
  order: OrderKey;
  /** As JSON, as soon as it is asked for. */
  text: string | undefined;
}

/** Some entries of a group that came one after the other. */
interface Stretch {
  readonly group: LiveGroup;
  readonly at: number;
}

/**
 * The groups of one query over a view that is shown as it is stored: what the generation has of them is read once, after
 * that only groups with changed entries are computed anew.
 */
export class LiveGroups {
  readonly #plan: Plan;
  readonly #generation: readonly RowGroup[];
  readonly #keyJson: ReturnType<typeof compileKeyJson>;
  readonly #rowJson: ReturnType<typeof compileRowJson>;
  #groups = new Map<string, LiveGroup>();
  readonly #stretchOf = new Map<Entry, Stretch>();
  readonly #touched = new Set<LiveGroup>();

  /** Undefined if the generation has too many groups. Gives up the thread. */
  static async read(
    plan: Plan,
    reader: GenerationReader | undefined,
    turns: Turns,
  ): Promise<LiveGroups | undefined> {
    const groups: RowGroup[] = [];
    const tooMany = new Error("too many groups");
    const sink = {
      isFull: false,
      offer(group: RowGroup) {
        if (groups.push(group) > mostLiveGroups) throw tooMany;
      },
    };
    try {
      await scanGroups(plan, reader, new Map(), rowRollup(plan.query.view), sink, turns);
    } catch (error) {
      if (error === tooMany) return undefined;
      throw error;
    }
    return new LiveGroups(plan, groups);
  }

  private constructor(plan: Plan, generation: readonly RowGroup[]) {
    this.#plan = plan;
    this.#generation = generation;
    this.#keyJson = compileKeyJson(plan.query);
    this.#rowJson = compileRowJson(plan.query);
  }

  get areTooMany(): boolean {
    return this.#groups.size > mostLiveGroups;
  }

  /** Begins anew with all that these segments hold. */
  join(segments: readonly Segment[]): void {
    this.#groups = new Map();
    this.#stretchOf.clear();
    this.#touched.clear();
    for (const { dimensions, pane, cells } of this.#generation) this.#groupAt(dimensions, pane, cells);
    forEachEntry(this.#plan, segments, (entry) => this.#add(entry));
  }

  /** The entry is new or has changed. */
  note(entry: Entry): void {
    const stretch = this.#stretchOf.get(entry);
    if (stretch !== undefined) {
      stretch.group.entries.changed(stretch.at);
      this.#touched.add(stretch.group);
    } else if (this.#isAskedFor(entry)) this.#add(entry);
  }

  /** The rows of the answer in its order, by the JSON of their keys. */
  page(): ReadonlyMap<string, string> {
    const { query, compare } = this.#plan;
    for (const group of this.#touched) this.#compute(group);
    this.#touched.clear();
    const first = new FirstRows<LiveGroup>(query.limit, compare, undefined);
    for (const group of this.#groups.values()) first.offer(group.order, group);
    const page = new Map<string, string>();
    for (const { row } of first.sorted()) {
      row.text ??= this.#rowJson(row.dimensions, row.pane, row.cells);
      page.set(`{${this.#keyJson(row.dimensions, row.pane)}}`, row.text);
    }
    if (page.size === 0 && isTotal(query)) {
      const { dimensions, pane, cells } = totalOfNothing(query.view);
      page.set("{}", this.#rowJson(dimensions, pane, cells));
    }
    return page;
  }

  #isAskedFor({ dimensions, pane }: Entry): boolean {
    const { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY } = this.#plan.query;
    return pane >= from && pane < to && this.#plan.matches(this.#plan.widen(dimensions));
  }

  #add(entry: Entry): void {
    const group = this.#groupAt(entry.dimensions, this.#plan.bucketOf(entry.pane), undefined);
    const at = group.entries.add(entry);
    if (group.stretch?.at !== at) group.stretch = { group, at };
    this.#stretchOf.set(entry, group.stretch);
  }

  #groupAt(dimensions: readonly Scalar[], pane: number, base: readonly Cell[] | undefined): LiveGroup {
    const key = this.#plan.keyOf(dimensions, pane);
    let group = this.#groups.get(key);
    if (group === undefined) {
      const entries = new EntrySum(this.#plan.query.view);
      group = { dimensions, pane, base, entries, stretch: undefined, cells: [], order: [], text: undefined };
      this.#groups.set(key, group);
    }
    this.#touched.add(group);
    return group;
  }

  #compute(group: LiveGroup): void {
    const { view } = this.#plan.query;
    const cells = group.base === undefined ? zeroState(view) : copyState(view, group.base);
    group.entries.mergeInto(cells);
    group.cells = cells;
    group.order = this.#plan.orderKeyOf(group, cells);
    group.text = undefined;
  }
}
