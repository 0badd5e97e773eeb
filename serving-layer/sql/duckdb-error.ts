import { TidemarkError } from "../../views/errors.ts";

/** Whether DuckDB can't go on after it. */
export function isFatal(error: unknown): boolean {
  return error instanceof Error && /^(FATAL|INTERNAL) Error/.test(error.message);
}

/** What went wrong with a statement, for the one who wrote it: without the names of folders and of what was made for it. */
export function statementError(error: unknown, folders: readonly string[]): Error {
  if (!(error instanceof Error) || error instanceof TidemarkError) return error as Error;
  const message = withoutPaths(error.message, folders);
  if (/^Out of Memory Error/.test(message)) {
    return new TidemarkError(
      "TIDEMARK_SQL_TOO_LARGE",
      "the statement takes more memory, or more room to spill, than one may: narrow it by WHERE, or group by fewer values",
    );
  }
  if (/^(IO|Permission) Error/.test(message)) {
    return new TidemarkError("TIDEMARK_SQL_REFUSED", "the statement reaches for more than tables");
  }
  return /^[A-Z][A-Za-z ]* Error: /.test(message) ? new TidemarkError("TIDEMARK_SQL_FAILED", message) : error;
}

function withoutPaths(message: string, folders: readonly string[]): string {
  let text = message;
  for (const folder of folders) text = text.replaceAll(folder, "…");
  return text;
}
