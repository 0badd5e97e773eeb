import { expect, test } from "vitest";
import { Decoder } from "../../views/decoder.ts";
import { defineEvent, Type } from "../../views/index.ts";

const view = defineEvent({
  name: "web.page.viewed",
  schema: Type.Object({
    user: Type.Object({ id: Type.Integer(), since: Type.Optional(Type.Time()) }),
    at: Type.Time(),
    ad: Type.Optional(
      Type.Object({ campaign: Type.Optional(Type.String()), bid: Type.Optional(Type.Integer()) }),
    ),
    place: Type.Optional(Type.Object({ code: Type.String() })),
    seen: Type.Optional(Type.Array(Type.Time())),
    items: Type.Optional(
      Type.Array(
        Type.Object({
          sku: Type.String(),
          of: Type.Optional(Type.Object({ n: Type.Optional(Type.Integer()) })),
        }),
      ),
    ),
  }),
  key: (f) => f.user.id,
});
const decoder = new Decoder([view]);
const envelope = { id: "1", source: "s", type: view.name, time: "2024-01-01T00:00:00Z" };
const plain = { user: { id: 7 }, at: "2024-01-01T00:00:00Z" };

function decoded(data: unknown) {
  return decoder.decode(JSON.stringify({ ...envelope, data }));
}

function hasRest(data: object): boolean {
  const whole = { ...envelope, data: { ...plain, ...data } };
  decoder.event(whole, JSON.stringify(whole));
  return decoder.hasRest(whole);
}

test("the fields of a type are all its values, those of objects under their path", () => {
  expect(view.fields.map(({ name, type, optional }) => [name, type, optional])).toEqual([
    ["user.id", "integer", false],
    ["user.since", "time", true],
    ["at", "time", false],
    ["ad.campaign", "string", true],
    ["ad.bid", "integer", true],
    ["place.code", "string", true],
    ["seen", "time", true],
    ["items.sku", "string", true],
    ["items.of.n", "integer", true],
  ]);
});

test.each(["2024-03-31T01:00:00Z", "2024-03-31T01:00:00.0009Z", "2024-03-31t03:00:00+02:00"])(
  "a time in data has the forms that an event's own time has: %s",
  (at) => {
    expect(decoded({ user: { id: 7, since: at }, at }).data).toEqual({
      user: { id: 7, since: Date.UTC(2024, 2, 31, 1) },
      at: Date.UTC(2024, 2, 31, 1),
    });
  },
);

test("times in lists are read as others are", () => {
  const seen = ["2024-03-31T01:00:00Z", "2024-03-31T03:00:00.5+02:00"];
  const ms = Date.UTC(2024, 2, 31, 1);
  expect(decoded({ ...plain, seen }).data.seen).toEqual([ms, ms + 500]);
});

test("reading an event leaves what was parsed as it was", () => {
  const whole = { ...envelope, data: { ...plain, user: { id: 7, since: "2024-03-31T01:00:00Z" } } };
  const text = JSON.stringify(whole);
  decoder.event(whole, text);
  expect(JSON.stringify(whole)).toBe(text);
});

test.each([
  ["data.at", { at: "2024-02-30T00:00:00Z" }],
  ["data.user.since", { user: { id: 7, since: "yesterday" } }],
  ["data.user.id", { user: { id: 2 ** 53 } }],
  ["data.ad.bid", { ad: { bid: -(2 ** 53) } }],
  ["data.seen[1]", { seen: ["2024-03-31T01:00:00Z", "never"] }],
  ["data.items[0].of.n", { items: [{ sku: "a", of: { n: 2 ** 53 } }] }],
  ["items/1", { items: [{ sku: "a" }, null] }],
  ["user/id", { user: { id: "7" } }],
  ["user", { user: null }],
])("what is wrong is named by its path: %s", (path, data) => {
  expect(() => decoded({ ...plain, ...data })).toThrow(
    expect.objectContaining({ code: "TIDEMARK_EVENT_DATA", message: expect.stringContaining(path) }),
  );
});

test.each([{ ad: { campaign: "\ud800" } }, { items: [{ sku: "a" }, { sku: "\udc00" }] }])(
  "half of a surrogate pair is found in objects and lists, too: %j",
  (data) => {
    expect(() => decoded({ ...plain, ...data })).toThrow(
      expect.objectContaining({ code: "TIDEMARK_EVENT_NOT_UTF8" }),
    );
  },
);

test("a field in an object can be the key", () => {
  expect(decoded(plain).key).toBe("7");
});

test.each([
  [false, {}],
  [false, { ad: { campaign: "a" } }],
  [true, { ad: { campaign: "a", color: "red" } }],
  [true, { ad: {} }],
  [true, { user: { id: 7, name: "ada" } }],
  [true, { user: { id: 7, since: "2024-03-31T03:00:00+02:00" } }],
  [true, { at: "2024-03-31T01:00:00.123456Z" }],
  [false, { items: [{ sku: "a" }, { sku: "b", of: { n: 1 } }], seen: [] }],
  [true, { items: [{ sku: "a" }, { sku: "b", color: "red" }] }],
  [true, { items: [{ sku: "a", of: {} }] }],
  [true, { seen: ["2024-03-31T01:00:00.123456Z"] }],
  [false, { at: "2024-03-31T01:00:00.123Z" }],
])("the record's text is kept (%s) where the columns don't hold all of %j", (isKept, data) => {
  expect(hasRest(data)).toBe(isKept);
});
