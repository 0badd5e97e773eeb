import type { DeadLetter } from "../infra/dead-letters/dead-letters.ts";
import type { Erasure } from "../infra/erasures/erasures.ts";
import type { Manifest } from "../infra/generations/generations.ts";
import type { ReconciledView, Run } from "../infra/jobs/jobs.ts";
import type { Layers } from "../views/layers.ts";

/** What the HTTP interface answers, as its clients read it. */

/** A cell of an answer. An integer beyond ±(2^53 − 1) is its decimal text. */
export type AnswerValue = number | string | boolean | null | readonly AnswerBin[];

/** How many numbers there are in `[from, to)`; null where that has no end. */
export interface AnswerBin {
  readonly from: number | null;
  readonly to: number | null;
  readonly count: number;
}

export type AnswerRow = Readonly<Record<string, AnswerValue>>;

export interface Rejection {
  /** Of the event in its request, from 0. */
  readonly index: number;
  readonly code: string;
  readonly message: string;
}

export interface IngestAnswer {
  readonly accepted: number;
  /** The first ones only; `rejectedCount` counts them all. */
  readonly rejected: readonly Rejection[];
  readonly rejectedCount: number;
  /** What `after=` takes: an answer at or past it holds these events. */
  readonly position: string;
}

export interface Provenance {
  readonly view: string;
  readonly fingerprint: string;
  /** Of the view, where the app declares several. */
  readonly version?: number;
  readonly layer: "merged" | "batch" | "speed";
  /** The one that alone computes the view, where it is declared so. */
  readonly layers?: "batch" | "speed";
  readonly generation: string | null;
  readonly cut: string;
  readonly position: string;
  /** Records that the log holds and this answer does not cover yet. */
  readonly lag: number;
  readonly complete: boolean;
  /** Of an answer as of the past, what was asked for. */
  readonly asOf?: string;
  readonly approximate: Readonly<Record<string, string>>;
}

/** What was read for an answer. */
export interface AnswerExplanation {
  readonly path: string;
  /** Other paths to the same answer. */
  readonly instead: readonly string[];
  readonly generation: { readonly id: string; readonly rows: number; readonly read: number } | null;
  readonly tail: { readonly how: string; readonly entries: number; readonly matched: number } | null;
  readonly groups: number;
  readonly ms: number;
}

export interface RowsAnswer {
  readonly rows: readonly AnswerRow[];
  /** Of measures, where they were asked for. */
  readonly totals?: AnswerRow;
  readonly explain?: AnswerExplanation;
  readonly provenance: Provenance;
  /** Where the next page goes on; null on the last one. */
  readonly cursor: string | null;
}

/** Of a view's description what commands need. */
export interface ViewAnswer {
  readonly measures: readonly { readonly name: string; readonly type: string }[];
}

/** Of a view's description what concerns its versions. */
export interface VersionsAnswer {
  readonly versions: readonly {
    readonly version: number;
    readonly view: string;
    readonly isActive: boolean;
    readonly isBuilding: boolean;
    /** Why its policy has not flipped to it; null where it has none, or has nothing to wait for. */
    readonly held: string | null;
  }[];
  /** Where a rollback leads. */
  readonly former: number | null;
  /** The last flip. */
  readonly flipped: {
    readonly at: string;
    readonly by: "hand" | "policy";
    readonly why: string | null;
  } | null;
  readonly mayFlip: boolean;
}

/** Which version of a view its name means, and meant. */
export interface FlipAnswer {
  readonly view: string;
  readonly was: number;
  readonly active: number;
  /** Where a rollback leads. */
  readonly former: number | null;
}

/** Where a measure of two versions differs most. */
export interface LargestAnswer {
  readonly difference: number;
  readonly key: AnswerRow;
  readonly from: AnswerValue;
  readonly to: AnswerValue;
}

/** A row that two versions of a view differ in; null on the side that does not have it. */
export interface DifferingAnswer {
  readonly kind: "added" | "gone" | "changed";
  readonly key: AnswerRow;
  readonly from: AnswerRow | null;
  readonly to: AnswerRow | null;
}

/** What two versions of a view differ in, at one cut. */
export interface DiffAnswer {
  readonly view: string;
  readonly from: { readonly version: number; readonly generation: string; readonly rows: number };
  readonly to: { readonly version: number; readonly generation: string; readonly rows: number };
  readonly cut: string;
  readonly rows: Readonly<Record<"added" | "gone" | "changed" | "equal", number>>;
  readonly measures: readonly {
    readonly name: string;
    readonly differing: number;
    readonly largest: LargestAnswer | null;
    /** `difference` is the share of the first value. */
    readonly largestRelative: LargestAnswer | null;
  }[];
  readonly onlyFrom: readonly string[];
  readonly onlyTo: readonly string[];
  readonly differing: readonly DifferingAnswer[];
  /** Why the policy of the second has not flipped to it; null where there is none, or nothing to wait for. */
  readonly held: string | null;
}

/** What an answer by SQL rests on, by the names of the views and event types that it named. */
export interface SqlProvenance {
  readonly views: Readonly<Record<string, Provenance>>;
  readonly events: Readonly<Record<string, Pick<Provenance, "position" | "lag" | "complete" | "asOf">>>;
}

export interface SqlAnswer {
  /** `type` is DuckDB's name of it. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly AnswerRow[];
  readonly rowCount: number;
  readonly provenance: SqlProvenance;
}

/** One row on every side; null where a side has no such row or nothing to compare with. */
export interface ComparedRow {
  readonly dimensions: AnswerRow;
  readonly batch: AnswerRow | null;
  readonly speed: AnswerRow | null;
  readonly merged: AnswerRow | null;
  readonly difference: AnswerRow | null;
}

export interface CompareAnswer {
  readonly rows: readonly ComparedRow[];
  readonly provenance: Provenance & {
    readonly reconciliation:
      | { readonly kind: "compared" }
      | { readonly kind: "not-compared"; readonly reason: string };
  };
}

/** A view that a run held against what was being served; `generation` is null of a check. */
export interface ReconciledGeneration extends ReconciledView {
  readonly run: string;
  readonly kind: Run["kind"];
}

/** A dead letter in a list: of its raw bytes only the beginning. */
export interface ListedDeadLetter extends Omit<DeadLetter, "raw"> {
  readonly raw: string;
  readonly encoding: "utf-8" | "base64";
}

export interface DeadLettersAnswer {
  readonly deadLetters: readonly ListedDeadLetter[];
  /** Where the next page begins; null on the last one. */
  readonly before: string | null;
}

export interface DeadLetterAnswer extends Omit<DeadLetter, "raw"> {
  /** Null for what is no UTF-8. */
  readonly text: string | null;
  readonly base64: string;
}

export interface ErasureAnswer extends Erasure {
  /** The run that does it; null: too many wait, and one of these does. */
  readonly run: string | null;
}

export interface StatusAnswer {
  readonly app: string;
  readonly profile: string;
  readonly uptimeMs: number;
  readonly log: Readonly<
    Record<string, { readonly starts: readonly number[]; readonly nexts: readonly number[] }>
  >;
  /** That it does not answer, if so: the figures are then those of its last answer. */
  readonly logObstacle: string | null;
  /** Where the master dataset ends, by topic and partition. */
  readonly archived: string | null;
  readonly views: Readonly<Record<string, ViewStatus>>;
  readonly runs: {
    readonly running: Run | null;
    /** Null while the queue can't be reached. */
    readonly queued: number | null;
    readonly last: Run | null;
    /** Why no run can be asked for now. */
    readonly obstacle: string | null;
  };
  /** Null while the log does not answer. */
  readonly deadLetters: number | null;
  /** Undefined of a server of a former version. */
  readonly erasures?: { readonly pending: number; readonly uncompacted: number };
  /** Of subjects whose events the log holds encrypted; null where none are. Undefined of a server of a former version. */
  readonly keys?: {
    readonly held: number;
    readonly destroyed: number;
    /** Records that the speed layer has passed by since it started, since their key was destroyed. */
    readonly forgotten: number;
  } | null;
}

export interface ViewStatus {
  readonly fingerprint: string;
  /** Which compute it. */
  readonly layers: Layers;
  /** Whether its name, without a version, means it. */
  readonly isActive: boolean;
  /** It is answered once a batch run has made its first generation, or all records are folded. */
  readonly isBuilding: boolean;
  readonly generation:
    | (Pick<Manifest, "id" | "createdAt" | "rows" | "records"> & { readonly cut: string })
    | null;
  readonly tail: { readonly segments: number; readonly entries: number } | null;
  readonly position: string;
  readonly lag: number;
  /** Why the view can't be answered yet. */
  readonly unready: string | null;
  /** Which records the log let go of before they were folded. */
  readonly gap: string | null;
}
