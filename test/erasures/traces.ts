import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";

/** Files of the folder in which something of the subject can be found, as bytes or as a value of a column. */
export async function traces(under: string, of: readonly string[]): Promise<readonly string[]> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const found: string[] = [];
  for (const entry of await readdir(under, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path);
    const texts = [bytes.toString("latin1"), entry.name];
    if (entry.name.endsWith(".parquet")) {
      const read = await connection.runAndReadAll("SELECT * FROM read_parquet($1)", [path]);
      texts.push(JSON.stringify(read.getRowObjectsJson()));
    }
    const has = of.filter((mark) => texts.some((text) => text.includes(mark)));
    if (has.length > 0) found.push(`${relative(under, path)}: ${has.join(", ")}`);
  }
  connection.closeSync();
  instance.closeSync();
  return found;
}
