/** What one statement may take, and all of them together. */
export interface SqlLimits {
  /** Characters of a statement. */
  readonly length: number;
  /** Of making a statement's tables and of running it, together. */
  readonly timeoutMs: number;
  /** Of the answer. */
  readonly rows: number;
  /** Of the answer's text. */
  readonly bytes: number;
  /** Statements that run at a time. */
  readonly running: number;
  /** Statements that wait for their turn. */
  readonly waiting: number;
}

export const defaultSqlLimits: SqlLimits = {
  length: 20_000,
  timeoutMs: 10_000,
  rows: 100_000,
  bytes: 16 * 1024 ** 2,
  running: 2,
  waiting: 16,
};

/** What the process may take that runs them. */
export interface SqlBudget {
  /** Of DuckDB, in its own notation. */
  readonly memoryLimit: string;
  /** Of the process as a whole: beyond it, it ends itself. */
  readonly processBytes: number;
  /** Spilled to disk, in DuckDB's own notation. */
  readonly temporaryLimit: string;
  readonly threads: number;
}
