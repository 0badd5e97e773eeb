import { tmpdir } from "node:os";
import type { Attribute } from "../../views/dimension-table.ts";
import { quoteIdentifier } from "../../views/expression.ts";
import { Duckdb } from "../duckdb.ts";
import { checkedValue, type FileRow, missingColumn, noValue } from "./file-columns.ts";

const typesOf: Readonly<Record<Attribute["type"], RegExp>> = {
  string: /^VARCHAR$/,
  integer: /^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/,
  boolean: /^BOOLEAN$/,
};

/** Rows of a Parquet file, read by a DuckDB of its own that ends with them. */
export async function* parquetRows(
  path: string,
  columns: readonly Attribute[],
  fail: (reason: string) => never,
): AsyncGenerator<FileRow> {
  const duckdb = await Duckdb.open({ memoryLimit: "512MB", threads: 1, temporaryFolder: tmpdir() });
  try {
    const connection = await duckdb.connect();
    const described = await connection.runAndReadAll("DESCRIBE SELECT * FROM read_parquet($1)", [path]);
    const types = new Map(described.getRows().map(([name, type]) => [String(name), String(type)]));
    for (const { name, type } of columns) {
      const found = types.get(name) ?? fail(missingColumn(name, [...types.keys()]));
      if (!typesOf[type].test(found)) fail(`column "${name}" is ${found}; it must be of type ${type}`);
    }
    const names = columns.map(({ name }) => quoteIdentifier(name)).join(", ");
    const result = await connection.stream(`SELECT ${names} FROM read_parquet($1)`, [path]);
    let row = 0;
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) return;
      for (const values of chunk.getRows()) {
        const place = `row ${++row}`;
        yield {
          place,
          values: columns.map((column, i) => {
            const value = checkedValue(column, values[i]);
            return value === undefined ? fail(noValue(place, column, values[i])) : value;
          }),
        };
      }
    }
  } finally {
    await duckdb[Symbol.asyncDispose]();
  }
}
