import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Duckdb } from "../../infra/duckdb.ts";
import { readData } from "../../views/data.ts";
import { defineEvent } from "../../views/event.ts";
import { Expression } from "../../views/expression.ts";
import { Cases } from "../../views/expressions/cases.ts";
import { fieldExpressions } from "../../views/expressions/fields.ts";
import { ListExpression } from "../../views/expressions/list.ts";
import {
  BooleanExpression,
  NumberExpression,
  StringExpression,
  TimeExpression,
} from "../../views/expressions/typed.ts";
import { eventTime, Type, when } from "../../views/index.ts";
import { type Row, valuesByFold, valuesBySql, writeRows } from "../parity/both-layers.ts";
import { examplesOf } from "./examples.ts";

const sample = defineEvent({
  name: "docs.sample.taken",
  schema: Type.Partial(
    Type.Object({
      text: Type.String(),
      whole: Type.Integer(),
      real: Type.Number(),
      at: Type.Time(),
      tags: Type.Array(Type.String()),
    }),
  ),
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

const markdown = await readFile(new URL("../../docs/views.md", import.meta.url), "utf8");
const { values } = examplesOf(markdown);

test.each(values)("$code is $value in both layers, as documented", async ({ code, data, value }) => {
  const row = readData(sample.shape, data) as Row;
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

/** What TypeScript keeps to the classes themselves. */
const ownMethods: ReadonlySet<string> = new Set(["constructor", "compare"]);

function methodsOf(prototype: object): readonly string[] {
  if (prototype === Expression.prototype || prototype === Object.prototype) return [];
  const own = Object.getOwnPropertyNames(prototype).filter((name) => !ownMethods.has(name));
  return [...own, ...methodsOf(Object.getPrototypeOf(prototype))];
}

test("the page names every method that an expression has, and shows it in an example", () => {
  const section = markdown.slice(markdown.indexOf("\n## Expressions\n"));
  const table = section.split("\n").filter((line) => line.startsWith("| "));
  const named = table
    .flatMap((line) => line.match(/`[^`]*`/g) ?? [])
    .flatMap((code) => code.match(/\w+/g) ?? []);
  const shown = values.flatMap(({ code }) => code.match(/(?<=\.)\w+(?=\()/g) ?? []);
  const classes = [StringExpression, NumberExpression, BooleanExpression, TimeExpression, Cases];
  const prototypes = [...classes.map(({ prototype }) => prototype), ListExpression.prototype];
  const methods = prototypes.flatMap(methodsOf);
  expect(methods.length).toBeGreaterThan(50);
  expect(methods.filter((method) => !named.includes(method))).toEqual([]);
  expect(methods.filter((method) => !shown.includes(method))).toEqual([]);
});
