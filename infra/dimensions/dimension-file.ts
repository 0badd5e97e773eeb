import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { App } from "../../views/app.ts";
import type { DimensionTable, FileTable } from "../../views/dimension-table.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Scalar } from "../../views/expression.ts";
import { columnsOf, type FileRow, fileError } from "./file-columns.ts";
import { csvRows, ndjsonRows } from "./text-rows.ts";

/** What a table's file held when it was read. */
export interface DimensionFile {
  readonly path: string;
  /** Of the file's bytes, in hexadecimal. */
  readonly sha256: string;
  /** By key, the attributes' values in the table's order. */
  readonly rows: ReadonlyMap<Scalar, readonly Scalar[]>;
}

export type DimensionFiles = ReadonlyMap<DimensionTable, DimensionFile>;

/** All rows are held in memory, about 200 bytes for each and its texts. */
const maxRows = 1_000_000;
const maxBytes = 256 * 1024 ** 2;

/** Reads the file of every table that has one; relative paths begin at `folder`. Throws TIDEMARK_DIMENSION_FILE. */
export async function readDimensionFiles({ dimensions }: App, folder: string): Promise<DimensionFiles> {
  const files = new Map<DimensionTable, DimensionFile>();
  for (const table of dimensions) {
    if (table.kind === "file") files.set(table, await readDimensionFile(table, folder));
  }
  return files;
}

async function readDimensionFile(table: FileTable, folder: string): Promise<DimensionFile> {
  const path = table.file instanceof URL ? fileURLToPath(table.file) : resolve(folder, table.file);
  const fail = (reason: string): never => {
    throw fileError(table, path, reason);
  };
  const bytes = await readWhole(table, path);
  const rows = new Map<Scalar, readonly Scalar[]>();
  const places = new Map<Scalar, string>();
  for await (const { place, values } of rowsOf(table, path, bytes, fail)) {
    const [key = null, ...attributes] = values;
    const former = places.get(key);
    if (former !== undefined) fail(`${place}: key ${JSON.stringify(key)} stands in ${former} already`);
    if (rows.size >= maxRows) fail(`it has more than ${maxRows} rows; make a dimension of events of it`);
    rows.set(key, attributes);
    places.set(key, place);
  }
  return { path, sha256: createHash("sha256").update(bytes).digest("hex"), rows };
}

async function readWhole(table: FileTable, path: string): Promise<Uint8Array> {
  const { size } = await stat(path).catch((error: unknown) => cantRead(table, path, error));
  if (size <= maxBytes) return readFile(path).catch((error: unknown) => cantRead(table, path, error));
  throw fileError(table, path, `it has ${size} bytes; at most ${maxBytes} can be read`);
}

function cantRead(table: FileTable, path: string, cause: unknown): never {
  const [reason] = (cause as Error).message.split("\n");
  throw fileError(table, path, `it can't be read: ${reason}`, { cause });
}

async function* rowsOf(
  table: FileTable,
  path: string,
  bytes: Uint8Array,
  fail: (reason: string) => never,
): AsyncGenerator<FileRow> {
  const columns = columnsOf(table);
  if (table.format === "parquet") {
    // Loaded here, so that an app without such a file starts without DuckDB.
    const { parquetRows } = await import("./parquet-rows.ts");
    try {
      yield* parquetRows(path, columns, fail);
    } catch (error) {
      throw error instanceof TidemarkError ? error : cantRead(table, path, error);
    }
    return;
  }
  yield* (table.format === "csv" ? csvRows : ndjsonRows)(textOf(bytes, fail), columns, fail);
}

/** Without a byte-order mark. */
function textOf(bytes: Uint8Array, fail: (reason: string) => never): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return fail("it is not UTF-8");
  }
}
