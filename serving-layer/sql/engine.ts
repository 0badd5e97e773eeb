import type { Scalar } from "../../views/expression.ts";
import type { EncodedCell } from "../../views/state.ts";

/** What carries out statements; in a process of its own, so that what it does to itself harms nobody. */
export interface SqlEngine {
  /**
   * The tables that a statement names, as it spells them. TIDEMARK_SQL_STATEMENT and _REFUSED for what is not one SELECT that
   * reaches for nothing but tables.
   */
  check(sql: string): Promise<readonly string[]>;
  /** Gives the answer's text to `take` piece by piece. Throws TIDEMARK_SQL_*, and the signal's reason once it aborts. */
  run(statement: SqlStatement, take: (text: string) => void, signal: AbortSignal): Promise<SqlOutcome>;
}

export const sqlFormats = ["json", "ndjson", "csv"] as const;

/** `json` is the rows as the elements of an array, without its brackets. */
export type SqlFormat = (typeof sqlFormats)[number];

export type SqlParameters = readonly Scalar[] | Readonly<Record<string, Scalar>>;

export interface SqlStatement {
  readonly sql: string;
  readonly parameters: SqlParameters;
  readonly tables: readonly SqlTable[];
  readonly format: SqlFormat;
  readonly rows: number;
  readonly bytes: number;
}

/** A state of the tail, encoded: dimensions, pane, cells. */
export type TailRow = readonly [readonly Scalar[], number, readonly EncodedCell[]];

/** A table as of one moment, under all the names that the statement has for it. */
export type SqlTable =
  | {
      readonly kind: "view";
      readonly names: readonly string[];
      readonly view: string;
      /** Null: there is none yet. */
      readonly generation: string | null;
      /** One row per key. */
      readonly tail: Iterable<TailRow>;
    }
  | {
      readonly kind: "events";
      readonly names: readonly string[];
      readonly event: string;
      /** By partition, the next offset that is not in the table. */
      readonly nexts: readonly number[];
    };

export interface SqlColumn {
  readonly name: string;
  /** DuckDB's name of it. */
  readonly type: string;
}

export interface SqlOutcome {
  readonly columns: readonly SqlColumn[];
  readonly rows: number;
}
