import type { GenerationReader } from "../infra/generations/generations.ts";
import type { Segment } from "../infra/tail/tail.ts";
import type { StateRow } from "../views/state.ts";
import type { AccessPath } from "./access-path.ts";
import type { ColumnReader } from "./column-scan.ts";
import type { Plan } from "./plan.ts";
import { forEachEntry } from "./rollup.ts";

/** How an answer was come by, for who asks with `explain=true`. */
export interface Explanation {
  readonly path: AccessPath;
  /** The other paths that would have given the same answer. */
  readonly instead: readonly AccessPath[];
  /** Null: no generation has a part in the answer. */
  readonly generation: {
    readonly id: string;
    /** Parts of the index that were read. */
    readonly ranges: number;
    /** Of this many rows… */
    readonly rows: number;
    /** …so many were read. */
    readonly read: number;
  } | null;
  /** Null: the tail has no part in it. */
  readonly tail: {
    readonly how: "looked up" | "walked";
    readonly segments: number;
    /** Of this many entries… */
    readonly entries: number;
    /** …so many are in the answer. */
    readonly matched: number;
  } | null;
  /** Groups that were put together, before order and limit. */
  readonly groups: number;
  /** In the answer. */
  readonly rows: number;
  readonly ms: number;
}

/** What an answer is made from. */
interface Sources {
  readonly plan: Plan;
  readonly path: AccessPath;
  /** All that there are. */
  readonly paths: readonly AccessPath[];
  readonly reader: GenerationReader | undefined;
  readonly segments: readonly Segment[];
}

/** Counts what is read for one query. Made without giving up the thread after the tail's part was collected. */
export class Account {
  readonly #sources: Sources;
  readonly #tail: Explanation["tail"];
  #read = 0;

  constructor(sources: Sources) {
    const { plan, segments } = sources;
    this.#sources = sources;
    let matched = 0;
    if (plan.query.layer !== "batch") forEachEntry(plan, segments, () => void matched++);
    const entries = segments.reduce((sum, { size }) => sum + size, 0);
    const how = plan.groupKeys === undefined ? "walked" : "looked up";
    this.#tail = plan.query.layer === "batch" ? null : { how, segments: segments.length, entries, matched };
  }

  /** A reader that counts. */
  of(reader: GenerationReader): ColumnReader & Pick<GenerationReader, "scan"> {
    return {
      // Every row is looked at, though not all of any.
      onColumns: () => {
        this.#read = reader.manifest.rows;
      },
      manifest: reader.manifest,
      statesPaths: reader.statesPaths,
      group: (...asked) => [...this.#counted(reader.group(...asked))],
      scan: (...asked) => this.#counted(reader.scan(...asked)),
    };
  }

  *#counted(rows: Iterable<StateRow>): Generator<StateRow, void, undefined> {
    for (const row of rows) {
      this.#read++;
      yield row;
    }
  }

  explain(groups: number, rows: number, ms: number): Explanation {
    const { plan, path, paths, reader } = this.#sources;
    const generation = reader && {
      ...{ id: reader.manifest.id, ranges: plan.ranges.length, rows: reader.manifest.rows },
      // By columns some may be looked up in the index as well.
      read: Math.min(this.#read, reader.manifest.rows),
    };
    return {
      path,
      instead: paths.filter((other) => other !== path),
      generation: generation ?? null,
      tail: this.#tail,
      ...{ groups, rows, ms: Math.round(ms * 1_000) / 1_000 },
    };
  }
}
