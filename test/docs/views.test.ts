import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Duckdb } from "../../infra/duckdb.ts";
import { defineEvent } from "../../views/event.ts";
import type { Expression } from "../../views/expression.ts";
import { fieldExpressions } from "../../views/expressions/fields.ts";
import { eventTime, Type, when } from "../../views/index.ts";
import { type Row, valuesByFold, valuesBySql, writeRows } from "../parity/both-layers.ts";

const sample = defineEvent({
  name: "docs.sample.taken",
  schema: Type.Partial(Type.Object({ text: Type.String(), whole: Type.Integer(), real: Type.Number() })),
});

const times = [Date.parse("2001-03-25T01:00:00.000Z")];

let folder: string;
let duckdb: Duckdb;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-docs-"));
  duckdb = await Duckdb.open({ memoryLimit: "256MB", threads: 1, temporaryFolder: folder });
});
afterAll(async () => {
  await duckdb[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const text = await readFile(new URL("../../docs/views.md", import.meta.url), "utf8");
const examples = [...text.matchAll(/^(\S.*?) +\/\/ (\{.*\}) → (.*)$/gm)].map(([, code, row, value]) => ({
  code: code ?? "",
  row: JSON.parse(row ?? "") as Row,
  value: JSON.parse(value ?? "") as unknown,
}));

test("the documentation has examples of expressions", () => {
  expect(examples.length).toBeGreaterThan(20);
});

test.each(examples)("$code is $value in both layers, as documented", async ({ code, row, value }) => {
  const fields = fieldExpressions("sample", sample.fields);
  const { node } = new Function("f", "when", "eventTime", `return ${code};`)(
    fields,
    when,
    eventTime,
  ) as Expression<unknown>;
  const connection = await duckdb.connect();
  const path = join(folder, "row.parquet");
  await writeRows(connection, path, sample, [row], times);
  expect(valuesByFold(node, [row], times)).toEqual([value]);
  expect(await valuesBySql(connection, path, node)).toEqual([value]);
});
