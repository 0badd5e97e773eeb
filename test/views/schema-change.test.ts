import { describe, expect, test } from "vitest";
import { offset } from "../../views/cut.ts";
import { defineEvent, type EventDeclaration, type EventType } from "../../views/event.ts";
import { Type } from "../../views/index.ts";
import { RecordDecoder } from "../../views/record-decoder.ts";
import { recordType, withFormer } from "../../views/recorded-type.ts";
import { compareTypes } from "../../views/schema-change.ts";

type Properties = Parameters<typeof Type.Object>[0];

function order(properties: Properties, rest: Partial<EventDeclaration<Properties>> = {}): EventType {
  return defineEvent({ name: "shop.order.placed", schema: Type.Object(properties), ...rest }) as EventType;
}

const change = (was: EventType, is: EventType) => compareTypes(recordType(was), is);
const none = { widenings: [], restatements: [], refusals: [] };

describe("a schema may become wider", () => {
  const widenings: readonly [string, Properties, Properties, string][] = [
    [
      "a field is added",
      {},
      { rate: Type.Optional(Type.Integer()) },
      `adds "rate" (integer, null where it is missing)`,
    ],
    [
      "a field with a default is added",
      {},
      { kind: Type.Optional(Type.String({ default: "web" })) },
      `adds "kind" (string, "web" where it is missing)`,
    ],
    [
      "integers become numbers",
      { cents: Type.Integer() },
      { cents: Type.Number() },
      `"cents" is number, was integer`,
    ],
    [
      "a field becomes optional",
      { a: Type.String() },
      { a: Type.Optional(Type.String()) },
      `"a" is optional, was required`,
    ],
    [
      "a bound moves out",
      { a: Type.Integer({ minimum: 1 }) },
      { a: Type.Integer({ minimum: 0 }) },
      `"a" minimum is 0, was 1`,
    ],
    [
      "a bound goes away",
      { a: Type.String({ maxLength: 3 }) },
      { a: Type.String() },
      `"a" maxLength is not there, was 3`,
    ],
    [
      "a list of values grows",
      { a: Type.String({ enum: ["x", "y"] }) },
      { a: Type.String({ enum: ["z", "y", "x"] }) },
      `"a" enum is ["z","y","x"], was ["x","y"]`,
    ],
    [
      "one value becomes a list",
      { a: Type.Literal("x") },
      { a: Type.String({ enum: ["x", "y"] }) },
      `"a" const is not there`,
    ],
  ];
  test.each(widenings)("%s", (_, was, is, words) => {
    const { widenings, refusals } = change(order(was), order(is));
    expect(refusals).toEqual([]);
    expect(widenings.join("; ")).toContain(words);
  });
});

describe("a schema may not become narrower, nor other", () => {
  const text = { a: Type.String() };
  const refusals: readonly [string, EventType, EventType, string][] = [
    [
      "a field goes",
      order(text),
      order({}),
      `field "a" is gone: records have it; keep it, as Type.Optional if no more come`,
    ],
    [
      "a field that is added is required",
      order({}),
      order(text),
      `field "a" is new and required, which records lack: make it Type.Optional(…)`,
    ],
    ["a text becomes a number", order(text), order({ a: Type.Number() }), `field "a" is number, was string`],
    [
      "a number becomes an integer",
      order({ a: Type.Number() }),
      order({ a: Type.Integer() }),
      `field "a" is integer, was number`,
    ],
    [
      "a field becomes required",
      order({ a: Type.Optional(Type.String()) }),
      order(text),
      `field "a" is required, was optional`,
    ],
    [
      "a bound moves in",
      order({ a: Type.Integer({ maximum: 9 }) }),
      order({ a: Type.Integer({ maximum: 8 }) }),
      `field "a": maximum is 8, was 9`,
    ],
    [
      "a pattern is added",
      order(text),
      order({ a: Type.String({ pattern: "^a" }) }),
      `field "a": pattern is "^a", was not there`,
    ],
    [
      "a list of values loses one",
      order({ a: Type.String({ enum: ["x", "y"] }) }),
      order({ a: Type.String({ enum: ["x"] }) }),
      `field "a": enum is ["x"]`,
    ],
    [
      "partitions change",
      order(text),
      order(text, { partitions: 8 }),
      "partitions is 8, was 4, and is fixed for ever",
    ],
    [
      "the duplicate rule changes",
      order(text),
      order(text, { duplicatesWithin: 3 }),
      "duplicatesWithin is 3, was 65536",
    ],
    [
      "the key changes",
      order(text),
      order(text, { key: (f) => f.a as never }),
      `the key is "a", was the event's id`,
    ],
    [
      "integers become numbers up to a bound",
      order({ a: Type.Integer() }),
      order({ a: Type.Number({ maximum: 5 }) }),
      `field "a": maximum is 5, was not there`,
    ],
    [
      "fields that are not named are not taken any more",
      order(text),
      defineEvent({ name: "shop.order.placed", schema: Type.Object(text, { additionalProperties: false }) }),
      "the schema itself: additionalProperties is false, was not there",
    ],
  ];
  test.each(refusals)("%s", (_, was, is, words) => {
    expect(change(was, is).refusals.join("; ")).toContain(words);
  });
});

test("titles and the order of fields mean nothing; a default is another reading of the same events", () => {
  const was = order({ a: Type.String(), b: Type.Optional(Type.Integer({ default: 1, title: "B" })) });
  expect(change(was, was)).toEqual(none);
  const moved = order({ b: Type.Optional(Type.Integer({ title: "b", default: 1 })), a: Type.String() });
  expect(change(was, moved)).toEqual(none);
  const other = order({ a: Type.String(), b: Type.Optional(Type.Integer({ default: 2 })) });
  expect(change(was, other)).toEqual({ ...none, restatements: [`"b" is 2 where it is missing, not 1`] });
});

test("a default that would never be read, or is no value of its field, is refused when it is declared", () => {
  for (const field of [
    Type.Integer({ default: 1 }),
    Type.Optional(Type.Integer({ default: 1.5 })),
    Type.Optional(Type.Integer({ default: 2 ** 53 })),
    Type.Optional(Type.String({ default: "\ud800" })),
    Type.Optional(Type.String({ default: "c", enum: ["a", "b"] })),
  ]) {
    expect(() => order({ a: field })).toThrow(
      expect.objectContaining({ code: "TIDEMARK_DECLARATION_FIELD" }),
    );
  }
});

describe("a record is judged by the schema that it was written under", () => {
  const first = order({ cents: Type.Integer({ minimum: 0 }) });
  const second = order({ cents: Type.Number(), rate: Type.Optional(Type.Integer()) });
  const third = order({
    cents: Type.Number(),
    rate: Type.Optional(Type.Number()),
    note: Type.Optional(Type.String()),
  });
  const at = (next: number) => [next, 0, 0, 0].map(offset);
  const type = withFormer(
    third,
    recordType(third, [
      { schema: recordType(first).schema, next: at(10) },
      { schema: recordType(second).schema, next: at(20) },
    ]),
  );
  const decoder = new RecordDecoder(type, 0);
  const data = (fields: object, where: number) => {
    const envelope = { id: "1", source: "s", type: type.name, time: "2024-05-01T00:00:00Z", data: fields };
    return decoder.decode(JSON.stringify(envelope), offset(where)).data;
  };

  test("what was no event does not become one, and what was one stays one", () => {
    expect(() => data({ cents: 0.5 }, 9)).toThrow(expect.objectContaining({ code: "TIDEMARK_EVENT_DATA" }));
    expect(data({ cents: 0.5 }, 10)).toEqual({ cents: 0.5 });
    expect(data({ cents: 1, rate: "high", note: 5 }, 9)).toEqual({ cents: 1 });
    expect(() => data({ cents: 1, rate: "high" }, 10)).toThrow(
      expect.objectContaining({ code: "TIDEMARK_EVENT_DATA" }),
    );
  });

  test("a field has the values that it took when it was declared, however wide it is now", () => {
    expect(data({ cents: 1, rate: 2, note: "n" }, 9)).toEqual({ cents: 1, rate: 2, note: "n" });
    expect(data({ cents: 1, rate: 1.5 }, 9)).toEqual({ cents: 1 });
    expect(data({ cents: 1, rate: 1.5 }, 20)).toEqual({ cents: 1, rate: 1.5 });
  });

  test("each partition has offsets of its own", () => {
    const other = new RecordDecoder(type, 1);
    const envelope = {
      id: "1",
      source: "s",
      type: type.name,
      time: "2024-05-01T00:00:00Z",
      data: { cents: 0.5 },
    };
    expect(other.decode(JSON.stringify(envelope), offset(0)).data).toEqual({ cents: 0.5 });
  });
});
