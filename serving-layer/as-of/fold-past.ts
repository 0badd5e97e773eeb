import type { Manifest } from "../../infra/generations/generations.ts";
import type { Segment } from "../../infra/tail/tail.ts";
import type { Cut } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { View } from "../../views/view.ts";
import { Admission } from "../admission.ts";
import { formatOwn } from "../provenance.ts";
import { describeKept, type FoundPast, recordsToFold } from "./find-past.ts";
import type { PastLimits } from "./past-limits.ts";

/** Records `[from, next)` of a view. */
export interface FoldedRange {
  readonly view: View;
  readonly from: Cut;
  readonly next: Cut;
  /** TIDEMARK_TAIL_FULL if they make more entries. */
  readonly maxEntries: number;
  readonly signal: AbortSignal;
}

/** Gives sealed segments that cover exactly the range, as the speed layer folds it; wherever its records are by now. */
export type FoldRange = (range: FoldedRange) => Promise<readonly Segment[]>;

/** Folds what lies between kept generations and past cuts, one at a time, and no more than may be. */
export class PastFolds {
  readonly #fold: FoldRange | undefined;
  readonly #limits: PastLimits;
  readonly #admission: Admission;

  /** Without `fold` there is nothing but the cuts of generations. */
  constructor(fold: FoldRange | undefined, limits: PastLimits) {
    this.#fold = fold;
    this.#limits = limits;
    this.#admission = new Admission(1, limits.waiting, busy);
  }

  /** TIDEMARK_ASOF_COSTLY if it is too much; _BUSY if too many wait; the signal's reason. `kept` is what there is instead. */
  async segments(
    view: View,
    found: FoundPast,
    kept: readonly Manifest[],
    signal: AbortSignal,
  ): Promise<readonly Segment[]> {
    const records = recordsToFold(found);
    if (records === 0) return [];
    const { records: mostRecords, entries: maxEntries } = this.#limits;
    if (this.#fold === undefined || records > mostRecords) {
      const most = this.#fold === undefined ? 0 : mostRecords;
      throw costly(view, found, kept, `takes ${records} records to be folded, and ${most} may be`);
    }
    using _turn = await this.#admission.enter(signal);
    const from = found.generation?.cut ?? {};
    try {
      return await this.#fold({ view, from, next: found.position, maxEntries, signal });
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.code !== "TIDEMARK_TAIL_FULL") throw error;
      throw costly(
        view,
        found,
        kept,
        `takes ${records} records to be folded, which make more than ${maxEntries} groups`,
      );
    }
  }
}

function costly(
  view: View,
  { generation, position }: FoundPast,
  kept: readonly Manifest[],
  what: string,
): TidemarkError {
  const base =
    generation === undefined
      ? "from the first on, since no generation that is kept lies before it"
      : `from generation ${generation.id} on`;
  const usable = kept.filter(({ fingerprint }) => fingerprint === view.fingerprint);
  return new TidemarkError(
    "TIDEMARK_ASOF_COSTLY",
    `view "${view.name}" as of ${formatOwn(view, position)} ${what}, ${base}: ask for a position nearer behind a generation that is kept, or as of one of these: ${describeKept(usable)}. The app's batch.keep says how many there are`,
  );
}

function busy(_inside: number, waiting: number): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_ASOF_BUSY",
    `records are being folded for one answer as of the past, and ${waiting} more are waiting: ask again later`,
  );
}
