import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FieldsOf } from "../../views/event.ts";
import {
  count,
  type DimensionTable,
  defineApp,
  defineDimension,
  defineEvent,
  defineView,
  Type,
} from "../../views/index.ts";
import { unpackRow } from "../../views/packed-row.ts";

const changed = defineEvent({
  name: "web.page.changed",
  schema: Type.Object({
    page: Type.String(),
    size: Type.Integer(),
    share: Type.Number(),
    isOld: Type.Boolean(),
  }),
});
type Fields = FieldsOf<typeof changed>;

const file = {
  name: "pages",
  file: "pages.csv",
  key: "page",
  attributes: Type.Object({ title: Type.String() }),
};
const events = {
  name: "pages",
  from: changed,
  key: (f: Fields) => f.page,
  attributes: (f: Fields) => ({ size: f.size }),
};
const pages = defineDimension(file);
const sizes = defineDimension({ ...events, name: "sizes" });

function viewOf(references: Readonly<Record<string, DimensionTable>>, name = "seen") {
  // From JavaScript, where no compiler refuses it.
  const untyped = references as Record<string, never>;
  return defineView({
    name,
    from: changed,
    by: (f) => ({ page: f.page, size: f.size, isOld: f.isOld }),
    measures: () => ({ n: count() }),
    references: untyped,
  });
}

describe("what can't be joined is refused when it is declared", () => {
  const none = Type.Object({});
  test.each<[string, () => unknown, string]>([
    [
      "a name",
      () => defineDimension({ ...file, name: "Pages" }),
      `dimension "Pages" must be named in lower-case`,
    ],
    [
      "a file of another kind",
      () => defineDimension({ ...file, file: "pages.xlsx" }),
      "ends in .csv, .ndjson",
    ],
    ["a file elsewhere", () => defineDimension({ ...file, file: new URL("http://a/b.csv") }), "is no file"],
    ["no attributes", () => defineDimension({ ...file, attributes: none }), `"pages" has no attributes`],
    [
      "a float",
      () => defineDimension({ ...file, attributes: Type.Object({ x: Type.Number() }) }),
      `"x" is a float`,
    ],
    [
      "a key that is a float",
      () => defineDimension({ ...file, key: "x", attributes: Type.Object({ x: Type.Number() }) }),
      "the key is a number; rows can be found by a string or an integer",
    ],
    [
      "an attribute's name",
      () => defineDimension({ ...file, attributes: Type.Object({ "a.b": Type.String() }) }),
      `"a.b" can't name an attribute`,
    ],
    [
      "a float of events",
      () => defineDimension({ ...events, attributes: (f) => ({ share: f.share }) }),
      "is a float",
    ],
    ["a float as the key", () => defineDimension({ ...events, key: (f) => f.share }), "the key is a number"],
    [
      "a column that the view has",
      () => defineDimension({ ...events, attributes: (f) => ({ exists: f.size }) }),
      "exists",
    ],
    ["the key's column", () => defineDimension({ ...events, attributes: (f) => ({ key: f.size }) }), `"key"`],
    [
      "no events' attributes",
      () => defineDimension({ ...events, attributes: () => ({}) }),
      "has no attributes",
    ],
    ["no such dimension", () => viewOf({ town: pages }), "there are page, size, isOld"],
    [
      "a key of another type",
      () => viewOf({ size: pages }),
      "references.size is of type integer, the key of dimension",
    ],
    ["a boolean as a key", () => viewOf({ isOld: pages }), "references.isOld is of type boolean"],
  ])("%s", (_, declare, words) => {
    expect(declare).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/^TIDEMARK_DECLARATION_/),
        message: expect.stringContaining(words),
      }),
    );
  });

  test("two tables of one name, and a table of events named like a view", () => {
    const other = defineDimension({ ...file, attributes: Type.Object({ author: Type.String() }) });
    const views = [viewOf({ page: pages }), viewOf({ page: other }, "read")];
    expect(() => defineApp({ name: "web", views })).toThrow('two dimensions are named "pages"');
    expect(() => defineApp({ name: "web", views: [viewOf({ page: sizes }, "sizes")] })).toThrow(
      'two views are named "sizes"',
    );
  });
});

test("an app takes in the tables that its views refer to, each once, and a view for each of events", () => {
  const app = defineApp({ name: "web", views: [viewOf({ page: sizes }), viewOf({ page: sizes }, "read")] });
  expect(app.dimensions).toEqual([sizes]);
  expect(app.views.map(({ name }) => name)).toEqual(["seen", "read", "sizes"]);
});

test("what a view refers to changes nothing of its states", () => {
  expect(viewOf({ page: pages }).fingerprint).toBe(viewOf({}).fingerprint);
});

test("what a table's rows hold, and which events count, is in its fingerprint; names are not", () => {
  const { fingerprint } = defineDimension(events).view;
  const others = [
    defineDimension({ ...events, attributes: (f) => ({ size: f.size, isOld: f.isOld }) }),
    defineDimension({ ...events, deleted: (f) => f.isOld }),
    defineDimension({ ...events, where: (f) => f.isOld }),
    defineDimension({ ...events, key: (f) => f.page.lower() }),
  ];
  expect(new Set([fingerprint, ...others.map(({ view }) => view.fingerprint)]).size).toBe(5);
  const renamed = defineDimension({ ...events, name: "others", attributes: (f) => ({ bytes: f.size }) });
  expect(renamed.view.fingerprint).toBe(fingerprint);
});

test("a packed row is unpacked to what it was, whatever texts stand in it", () => {
  const value = fc.option(fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(fc.array(value, { minLength: 1 }), fc.option(fc.maxSafeInteger()), (texts, whole) => {
      const packed = [...texts, whole].map((one) => (one === null ? "~" : `${[...`${one}`].length}:${one}`));
      const types = [...texts.map(() => "string" as const), "integer" as const];
      expect(unpackRow(types, packed.join(""))).toEqual([...texts, whole]);
    }),
  );
  expect(unpackRow(["string"], "")).toBeUndefined();
  expect(unpackRow(["string"], null)).toBeUndefined();
});
