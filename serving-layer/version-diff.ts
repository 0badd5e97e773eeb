import type { GenerationReader, Generations, Manifest } from "../infra/generations/generations.ts";
import { type Cut, cutsEqual, formatCut } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { isRecomputed } from "../views/layers.ts";
import { joinSorted } from "../views/sorted-rows.ts";
import type { Cell, StateRow } from "../views/state.ts";
import { exactName } from "../views/version.ts";
import { shownView, type View } from "../views/view.ts";
import { noGeneration } from "./building.ts";
import type { Turns } from "./clock.ts";
import { jsonValue } from "./json-value.ts";
import { type MeasureDifference, MeasureTally } from "./measure-tally.ts";
import { compileRowKey, type RowKey } from "./row-key.ts";
import { isShownAsStored, shownRows } from "./shown-rows.ts";

export interface DiffParts {
  readonly generations: Generations;
  readonly from: View;
  readonly to: View;
  /** How many of the rows that differ are shown. */
  readonly limit: number;
}

/** The generation that stands for a version. */
export interface DiffSide {
  readonly version: number;
  readonly view: string;
  readonly generation: string;
  readonly rows: number;
}

/** A row that differs; null on the side that does not have it. */
export interface DifferingRow {
  readonly kind: "added" | "gone" | "changed";
  readonly key: RowKey;
  readonly from: Readonly<Record<string, unknown>> | null;
  readonly to: Readonly<Record<string, unknown>> | null;
}

export interface VersionDiff {
  readonly view: string;
  readonly from: DiffSide;
  readonly to: DiffSide;
  /** Of both generations. */
  readonly cut: string;
  readonly rows: {
    readonly added: number;
    readonly gone: number;
    readonly changed: number;
    readonly equal: number;
  };
  /** Those that both versions have, by name. */
  readonly measures: readonly MeasureDifference[];
  /** Those that one has alone. */
  readonly onlyFrom: readonly string[];
  readonly onlyTo: readonly string[];
  /** The first in order of key. */
  readonly differing: readonly DifferingRow[];
}

/**
 * What two versions of a view differ in, at the newest cut at which both have a generation, key by key in one pass that
 * gives up the thread. Throws TIDEMARK_VERSION_INCOMPARABLE where their rows can't be told to be the same by their keys, and
 * TIDEMARK_VERSION_NO_COMMON_CUT where no two generations are of the same cut.
 */
export async function diffVersions(parts: DiffParts, turns: Turns): Promise<VersionDiff> {
  const { generations, from, to } = parts;
  requireComparable(from, to);
  const pair = await pairAtOneCut(parts);
  await using older = await generations.open(from, pair.from.id);
  await using newer = await generations.open(to, pair.to.id);
  const pass = new Pass(parts);
  for (const [a, b] of joinSorted([rowsOf(from, older), rowsOf(to, newer)])) {
    if (turns.isDue()) await turns.next();
    pass.note(a, b);
  }
  return {
    view: from.family,
    from: sideOf(from, pair.from),
    to: sideOf(to, pair.to),
    cut: formatCut(pair.from.cut),
    ...pass.outcome(),
  };
}

/** Keys are the same only if they are made of the same dimensions in the same order, and of panes that mean the same. */
function requireComparable(from: View, to: View): void {
  const reason = obstacleTo(from, to);
  if (reason === undefined) return;
  throw new TidemarkError(
    "TIDEMARK_VERSION_INCOMPARABLE",
    `versions ${from.version} and ${to.version} of view "${from.family}" can't be compared row by row: ${reason}`,
  );
}

function obstacleTo(from: View, to: View): string | undefined {
  if (from === to) return "they are one and the same";
  const folded = [from, to].find((view) => !isRecomputed(view));
  if (folded !== undefined)
    return `the speed layer alone computes version ${folded.version}, of which there are no generations`;
  if (dimensionsText(from) !== dimensionsText(to))
    return `their dimensions differ, ${dimensionsText(from)} and ${dimensionsText(to)}`;
  if (paneMeaning(from) !== paneMeaning(to))
    return `their windows differ, ${windowText(from)} and ${windowText(to)}`;
  return undefined;
}

function dimensionsText({ dimensions }: View): string {
  return dimensions.map(({ name, type }) => `${name} (${type})`).join(", ") || "none";
}

/** Equal where panes are named and cut alike, however their lengths are written. */
function paneMeaning({ window: dimension }: View): string {
  const { text: _, ...meaning } = dimension?.window ?? { text: "" };
  return JSON.stringify([dimension?.name, meaning]);
}

function windowText({ window: dimension }: View): string {
  return dimension === undefined
    ? "none"
    : `${dimension.name} (${dimension.window.kind} ${dimension.window.text})`;
}

/** The newest pair. A run makes one of each view, all up to one cut. */
async function pairAtOneCut({ generations, from, to }: DiffParts) {
  const [older, newer] = await Promise.all([usable(generations, from), usable(generations, to)]);
  for (const each of newer) {
    const other = older.find((candidate) => isSameCut(candidate, each));
    if (other !== undefined) return { from: other, to: each };
  }
  throw new TidemarkError(
    "TIDEMARK_VERSION_NO_COMMON_CUT",
    `versions ${from.version} and ${to.version} of view "${from.family}" have no generations at the same cut: the next batch run makes one of each`,
  );
}

/** Newest first, of the view as it is declared now. */
async function usable(generations: Generations, view: View): Promise<readonly Manifest[]> {
  const manifests = (await generations.list(view.name)).filter(
    (each) => each.fingerprint === view.fingerprint,
  );
  if (manifests.length === 0) throw noGeneration(view, "");
  return manifests;
}

/** Views of different event types have parts of a run's cut each: what both speak of must agree. */
function isSameCut(a: Manifest, b: Manifest): boolean {
  const isOfSameTopics = Object.keys(a.cut).sort().join() === Object.keys(b.cut).sort().join();
  const shared = Object.fromEntries(Object.entries(a.cut).filter(([topic]) => topic in b.cut)) satisfies Cut;
  const others = Object.fromEntries(Object.entries(b.cut).filter(([topic]) => topic in a.cut)) satisfies Cut;
  return cutsEqual(shared, others) && (isOfSameTopics || a.run === b.run);
}

/** As queries see them. */
function rowsOf(view: View, reader: GenerationReader): Iterable<StateRow> {
  const source = isShownAsStored(view) ? reader : shownRows(view, [reader]);
  return source.scan([], undefined, undefined);
}

function sideOf(view: View, { id, rows }: Manifest): DiffSide {
  return { version: view.version, view: exactName(view), generation: id, rows };
}

/** One pass over both sides, in order of key. */
class Pass {
  readonly #from: View;
  readonly #to: View;
  readonly #limit: number;
  readonly #keyOf: (row: StateRow) => RowKey;
  readonly #tallies: readonly MeasureTally[];
  readonly #rows = { added: 0, gone: 0, changed: 0, equal: 0 };
  readonly #differing: DifferingRow[] = [];

  constructor({ from, to, limit }: DiffParts) {
    this.#from = shownView(from);
    this.#to = shownView(to);
    this.#limit = limit;
    this.#keyOf = compileRowKey(this.#from);
    this.#tallies = this.#from.measures.flatMap((measure) => {
      const other = this.#to.measures.find(({ name }) => name === measure.name);
      return other === undefined ? [] : [new MeasureTally(measure, other)];
    });
  }

  note(from: StateRow | undefined, to: StateRow | undefined): void {
    const kind = this.#kindOf(from, to);
    this.#rows[kind]++;
    const row = from ?? to;
    if (kind === "equal" || row === undefined || this.#differing.length >= this.#limit) return;
    const [older, newer] = [from && shown(this.#from, from.cells), to && shown(this.#to, to.cells)];
    this.#differing.push({ kind, key: this.#keyOf(row), from: older ?? null, to: newer ?? null });
  }

  #kindOf(from: StateRow | undefined, to: StateRow | undefined): keyof VersionDiff["rows"] {
    if (from === undefined) return "added";
    if (to === undefined) return "gone";
    let differs = false;
    for (const tally of this.#tallies) if (tally.note(from, to)) differs = true;
    return differs ? "changed" : "equal";
  }

  outcome(): Pick<VersionDiff, "rows" | "measures" | "onlyFrom" | "onlyTo" | "differing"> {
    const missing = (of: View, other: View) =>
      of.measures
        .map(({ name }) => name)
        .filter((name) => !other.measures.some((each) => each.name === name));
    return {
      rows: { ...this.#rows },
      measures: this.#tallies.map((tally) => tally.outcome(this.#keyOf)),
      onlyFrom: missing(this.#from, this.#to),
      onlyTo: missing(this.#to, this.#from),
      differing: this.#differing,
    };
  }
}

function shown({ measures }: View, cells: readonly Cell[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    measures.map(({ name, aggregate, firstCell }) => [name, jsonValue(aggregate.present(cells, firstCell))]),
  );
}
