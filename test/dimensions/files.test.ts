import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readDimensionFiles } from "../../infra/dimensions/dimension-file.ts";
import { count, defineApp, defineDimension, defineEvent, defineView, Type } from "../../views/index.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-dimensions-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const seen = defineEvent({ name: "test.thing.seen", schema: Type.Object({ thing: Type.Integer() }) });

/** What the app that refers to the file knows of it. */
async function read(file: string | URL) {
  const table = defineDimension({
    name: "things",
    file,
    key: "id",
    attributes: Type.Object({
      id: Type.Integer(),
      name: Type.String(),
      size: Type.Optional(Type.Integer()),
      isNew: Type.Optional(Type.Boolean()),
    }),
  });
  const view = defineView({
    name: "seen",
    from: seen,
    by: (f) => ({ thing: f.thing }),
    measures: () => ({ n: count() }),
    references: { thing: table },
  });
  const files = await readDimensionFiles(defineApp({ name: "things", views: [view] }), folder);
  const { rows, sha256, path } = files.get(table) ?? {};
  return { rows: [...(rows ?? [])], sha256, path };
}

const expected = [
  [1, [1, 'a "b", c', 7, true]],
  [2, [2, "two\nlines 😀", null, null]],
  [-3, [-3, "", 0, false]],
];

describe("a file says the same in each format", () => {
  test("CSV, with quotes, line breaks, a byte-order mark, and columns that nobody asked for", async () => {
    const text =
      '\ufeffsize,id,colour,name,isNew\r\n7,1,red,"a ""b"", c",true\r\n,2,,"two\nlines 😀",\r\n\r\n0,-3,x,"",false';
    await writeFile(join(folder, "things.csv"), text);
    const { rows, sha256, path } = await read("things.csv");
    expect(rows).toEqual(expected);
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(path).toBe(join(folder, "things.csv"));
  });

  test("NDJSON", async () => {
    const lines = [
      { id: 1, name: 'a "b", c', size: 7, isNew: true, colour: "red" },
      { name: "two\nlines 😀", id: 2, size: null },
      { id: -3, name: "", size: -0, isNew: false },
    ];
    await writeFile(
      join(folder, "things.ndjson"),
      lines.map((line) => `${JSON.stringify(line)}\n\n`).join(""),
    );
    expect((await read(pathToFileURL(join(folder, "things.ndjson")))).rows).toEqual(expected);
  });

  test("Parquet", async () => {
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    await connection.run(
      `COPY (SELECT * FROM (VALUES (1::SMALLINT, 'a "b", c', 7::BIGINT, true), (2, 'two' || chr(10) || 'lines 😀', NULL, NULL), (-3, '', 0, false)) t(id, name, size, "isNew")) TO '${join(folder, "things.parquet")}'`,
    );
    instance.closeSync();
    expect((await read("things.parquet")).rows).toEqual(expected);
  });
});

describe("a file that is wrong is refused with its path, the place and what would be right", () => {
  test.each([
    ["gone.csv", undefined, "can't be read: ENOENT"],
    ["bytes.csv", Buffer.from([0x69, 0xff]), "it is not UTF-8"],
    ["empty.csv", "", "its first line must name the columns"],
    ["column.csv", "id,title\n1,a\n", 'there is no column "name"; there are id, title'],
    ["twice.csv", "id,name,size,isNew,id\n", 'line 1: two columns are named "id"'],
    ["key.csv", "id,name,size,isNew\n1,a,,\n2,b,,\n1,c,,\n", "line 4: key 1 stands in line 2 already"],
    [
      "fields.csv",
      'id,name,size,isNew\n1,"a\nb",,\n2,b\n',
      "line 4: there are 2 fields; the first line names 4",
    ],
    ["integer.csv", "id,name,size,isNew\n1,a,1.5,\n", 'line 2: size is "1.5"; it must be a whole number'],
    ["large.csv", "id,name,size,isNew\n1,a,9007199254740992,\n", "within ±(2^53 − 1), or empty"],
    ["boolean.csv", "id,name,size,isNew\n1,a,,yes\n", 'isNew is "yes"; it must be true or false, or empty'],
    ["none.csv", "id,name,size,isNew\n,a,,\n", 'line 2: id is ""; it must be a whole number'],
    ["quote.csv", 'id,name,size,isNew\n1,"a,,\n', "line 2: a quoted field has no end"],
    ["after.csv", 'id,name,size,isNew\n1,"a"b,,\n', "line 2: a quoted field ends before the field does"],
    ["line.ndjson", '{"id":1,"name":"a"}\n[]\n', "line 2 is no JSON object"],
    ["text.ndjson", '{"id":1,"name":7}\n', 'line 1: name is "7"; it must be a text'],
    ["null.ndjson", '{"id":1,"name":"a"}\n\n{"id":null,"name":"b"}\n', "line 3: id is nothing; it must be"],
    ["absent.ndjson", '{"id":1,"name":"a","size":1}\n', 'no column "isNew"; there are id, name, size'],
    ["bytes.parquet", "no Parquet", "it can't be read: Invalid Input Error"],
  ])("%s", async (name, content, words) => {
    if (content !== undefined) await writeFile(join(folder, name), content);
    const failure = await read(name).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "TIDEMARK_DIMENSION_FILE" });
    expect((failure as Error).message).toContain(`dimension "things": ${join(folder, name)}: `);
    expect((failure as Error).message).toContain(words);
  });

  test("a Parquet column of another type", async () => {
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    const path = join(folder, "typed.parquet");
    await connection.run(`COPY (SELECT 1 AS id, 2 AS name, 3 AS size, true AS "isNew") TO '${path}'`);
    instance.closeSync();
    await expect(read("typed.parquet")).rejects.toThrow(
      'column "name" is INTEGER; it must be of type string',
    );
  });
});
