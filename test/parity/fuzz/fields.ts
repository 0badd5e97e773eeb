import fc from "fast-check";
import { defineEvent, type EventType } from "../../../views/event.ts";
import type { Scalar } from "../../../views/expression.ts";
import type { FieldType } from "../../../views/field.ts";
import { Type } from "../../../views/index.ts";
import type { JsonSchema } from "../../../views/recorded-type.ts";
import type { ObjectShape, Shape } from "../../../views/shape.ts";
import type { Datum, EventCase, FormerCase, Place, Value } from "./case.ts";
import { timeText } from "./time-text.ts";

/** The topic of the second source comes before that of the first, and has another number of partitions. */
export const partitions: Readonly<Record<Place, number>> = { first: 3, second: 2 };
const names: Readonly<Record<Place, string>> = { first: "fuzz.thing.seen", second: "fuzz.other.seen" };

/** What the fields that have a default are where they are missing. */
export const defaults: { readonly "late whole": number; readonly kind: string } = {
  "late whole": -2,
  kind: "é",
};

/**
 * A field of each type, required and optional, some under names that have to be quoted, some in objects. New ones are
 * optional, so that events of cases that were written down stay events.
 */
const schema = Type.Object({
  text: Type.String(),
  note: Type.Optional(Type.String()),
  whole: Type.Integer(),
  "maybe whole": Type.Optional(Type.Integer()),
  real: Type.Number(),
  'maybe "real"': Type.Optional(Type.Number()),
  order: Type.Boolean(),
  flag: Type.Optional(Type.Boolean()),
  "late whole": Type.Optional(Type.Integer({ default: defaults["late whole"] })),
  kind: Type.Optional(Type.String({ default: defaults.kind })),
  at: Type.Optional(Type.Time()),
  ad: Type.Optional(
    Type.Object({
      cost: Type.Number(),
      "the slot": Type.Integer(),
      seen: Type.Time(),
      campaign: Type.Optional(Type.String()),
      place: Type.Object({ name: Type.String(), rank: Type.Optional(Type.Integer()) }),
      extra: Type.Optional(Type.Object({ flag: Type.Optional(Type.Boolean()) })),
    }),
  ),
  tags: Type.Optional(Type.Array(Type.String())),
  sizes: Type.Optional(Type.Array(Type.Integer())),
  levels: Type.Optional(Type.Array(Type.Number())),
  seen: Type.Optional(Type.Array(Type.Time())),
  flags: Type.Optional(Type.Array(Type.Boolean())),
  items: Type.Optional(
    Type.Array(
      Type.Object({
        sku: Type.String(),
        units: Type.Optional(Type.Integer()),
        price: Type.Number(),
        due: Type.Optional(Type.Time()),
        gift: Type.Optional(Type.Object({ to: Type.String(), wrapped: Type.Optional(Type.Boolean()) })),
      }),
    ),
  ),
});

/** The schema as it was: by structure alone, as it is written down. */
export function formerSchema({ undeclared, integers, required }: FormerCase): JsonSchema {
  const { properties } = JSON.parse(JSON.stringify(schema)) as { properties: Record<string, JsonSchema> };
  const declared = Object.entries(properties).filter(([name]) => !undeclared.includes(name));
  return {
    type: "object",
    required: declared.map(([name]) => name).filter((name) => !isOptional(name) || required.includes(name)),
    properties: Object.fromEntries(
      declared.map(([name, property]) => [
        name,
        {
          ...property,
          ...(integers.includes(name) ? { type: "integer" } : {}),
          // A required field has none.
          ...(required.includes(name) ? { default: undefined } : {}),
        },
      ]),
    ),
  };
}

function isOptional(name: string): boolean {
  return shape.members.some((member) => member.name === name && member.optional);
}

const types = new Map<string, EventType>();

export function eventType(duplicatesWithin: number, place: Place = "first"): EventType {
  const key = `${place} ${duplicatesWithin}`;
  let type = types.get(key);
  if (type === undefined) {
    type = defineEvent({ name: names[place], schema, partitions: partitions[place], duplicatesWithin });
    types.set(key, type);
  }
  return type;
}

/** Of the event itself. */
export const fields = eventType(0).fields.filter(({ within }) => within === undefined);

export const shape = eventType(0).shape;

export type List = "tags" | "sizes" | "levels" | "seen" | "flags" | "items";

/** What there is of an element, by list, under `item`. */
export const itemFields: Readonly<
  Record<List, readonly { readonly name: string; readonly type: FieldType }[]>
> = {
  tags: [{ name: "item", type: "string" }],
  sizes: [{ name: "item", type: "integer" }],
  levels: [{ name: "item", type: "number" }],
  seen: [{ name: "item", type: "time" }],
  flags: [{ name: "item", type: "boolean" }],
  items: [
    { name: "item.sku", type: "string" },
    { name: "item.units", type: "integer" },
    { name: "item.price", type: "number" },
    { name: "item.due", type: "time" },
    { name: "item.gift.to", type: "string" },
    { name: "item.gift.wrapped", type: "boolean" },
  ],
};

const max = Number.MAX_SAFE_INTEGER;

const texts = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("", "a", "a\0", "b") },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...[
        "A",
        "é",
        "e\u0301",
        "ß",
        "😀",
        "👨‍👩‍👧",
        "\uffff",
        "a\0",
        "\0",
        "~",
        "1:a",
        "null",
        "'",
        '"',
        "$1",
        "\\u0041",
      ],
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...[
        "12",
        "-007",
        "+5",
        "1e3",
        "9007199254740992",
        "99999999999999999999",
        "-",
        " a\u00a0\n",
        "ΟΔΟΣ",
        "İ",
      ],
      ...[
        "https://me@Example.org:8080/a/b?c",
        "http://É.org?d",
        "ftp://[::1]:21#e",
        "s://a@b@c/",
        "s://a:b/",
      ],
      ...["://a", "1s://a", "s://", "a/b/c"],
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 5 }) },
  { weight: 1, arbitrary: fc.constantFrom("x".repeat(1_861), `${"x".repeat(3_000)}y`, "x".repeat(3_000)) },
);

const wholes = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -3, max: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(-0, max, -max, max - 1, 2 ** 31, -(2 ** 31) - 1, 255) },
  { weight: 1, arbitrary: fc.maxSafeInteger() },
);

const reals = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -12, max: 12 }).map((quarters) => quarters / 4) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...[-0, 0.1, 0.2, -0.3, 1e-7, 2 ** 53, 2 ** 53 + 2, 1e16, -1e16, 1e22, 1e300, -1e300, Number.MAX_VALUE],
      ...[-Number.MAX_VALUE, Number.MIN_VALUE, -Number.MIN_VALUE, 2.2250738585072014e-308, Math.PI],
    ),
  },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
);

const hour = 3_600_000;
const moments = [
  ...["0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.001Z", "9999-12-31T23:59:59.999Z"],
  ...["1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.000Z", "1582-10-10T12:00:00.000Z"],
  ...["1900-02-28T23:59:59.999Z", "1900-03-01T00:00:00.000Z", "2000-02-29T12:00:00.000Z"],
  ...["2024-02-29T00:00:00.000Z", "2024-12-31T23:59:59.999Z", "2025-01-01T00:00:00.000Z"],
  // The hours around the changes to and from summer time in New York and in Berlin.
  ...["2024-03-10T06:59:59.999Z", "2024-03-10T07:00:00.000Z", "2024-11-03T05:30:00.000Z"],
  ...["2024-11-03T06:30:00.000Z", "2024-03-31T00:59:59.999Z", "2024-03-31T01:00:00.000Z"],
  ...["2024-10-27T00:30:00.000Z", "2024-10-27T01:30:00.000Z"],
  // And in São Paulo, where clocks were put forward past midnight, and back at it.
  ...["2018-11-04T02:59:59.999Z", "2018-11-04T03:00:00.000Z", "2018-02-18T01:30:00.000Z"],
  ...["2018-02-18T02:30:00.000Z", "2018-02-18T03:00:00.000Z"],
].map((text) => Date.parse(text));

const times = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -3 * hour, max: 3 * hour }) },
  // Close to each other, and minutes exactly apart.
  { weight: 4, arbitrary: fc.integer({ min: -12, max: 12 }).map((minutes) => minutes * 60_000) },
  { weight: 4, arbitrary: fc.constantFrom(...moments) },
  { weight: 1, arbitrary: fc.integer({ min: moments[0] ?? 0, max: moments[2] ?? 0 }) },
);

const zones = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(60, -300, 345) },
);

/** Values that a literal can have; of a time its milliseconds. */
export const values: Readonly<Record<FieldType, fc.Arbitrary<Scalar>>> = {
  string: texts,
  integer: wholes,
  number: reals,
  boolean: fc.boolean(),
  time: times,
};

/** What is no time, though JSON Schema would take it for a text. */
export const noTimes = [
  "",
  "yesterday",
  "2024-02-30T00:00:00Z",
  "2024-01-01T23:59:60Z",
  "2024-01-01 00:00:00Z",
];

/** Of an event, where a time is a text in one of its forms. */
const inData: Readonly<Record<FieldType, fc.Arbitrary<Scalar>>> = {
  ...values,
  time: fc
    .tuple(times, zones, fc.constantFrom("plain", "plain", "plain", "brief", "finer", "small"))
    .map(([time, zone, form]) => timeText(time, zone, form)),
};

const wrong: Readonly<Partial<Record<FieldType, readonly Scalar[]>>> = {
  integer: [2 ** 53, null],
  time: [...noTimes, null],
};

/** Now and then what makes the record no event of the type: an integer that is not safe, a text that is no time, or a null. */
function dataOf({ members }: ObjectShape): fc.Arbitrary<Datum> {
  const arbitraries = members.map(({ name, shape }) => [name, anyOf(shape)] as const);
  return fc.record(Object.fromEntries(arbitraries), {
    requiredKeys: members.filter(({ optional }) => !optional).map(({ name }) => name),
    noNullPrototype: true,
  }) as fc.Arbitrary<Datum>;
}

function anyOf(shape: Shape): fc.Arbitrary<Value> {
  if (shape.kind === "object") return dataOf(shape);
  if (shape.kind === "list") return fc.array(anyOf(shape.element), { maxLength: 3 });
  const amiss = fc.constantFrom(...(wrong[shape.type] ?? [null]));
  return fc.oneof({ weight: 200, arbitrary: inData[shape.type] }, { weight: 1, arbitrary: amiss });
}

/** What a former schema may lack. */
export const evolvable = shape.members.filter(({ optional }) => optional).map(({ name }) => name);

/** What producers wrote under a name that was still free: anything; times and what lies deeper come by way of the data. */
const early = fc.dictionary(
  fc.constantFrom(
    ...shape.members
      .filter(({ optional, shape }) => optional && shape.kind === "value" && shape.type !== "time")
      .map(({ name }) => name),
  ),
  fc.oneof(...Object.values(values), fc.constantFrom(null, 2 ** 53, 1.5, "1")),
  { maxKeys: 3, noNullPrototype: true },
);

export const events: fc.Arbitrary<EventCase> = fc.record({
  source: fc.constantFrom("s", "t"),
  id: fc.oneof(fc.constantFrom("a", "b", "c"), fc.nat(1_000_000).map(String)),
  time: times,
  zone: zones,
  data: dataOf(shape),
  early,
});
