import fc from "fast-check";
import { defineEvent, type EventType } from "../../../views/event.ts";
import type { Scalar } from "../../../views/expression.ts";
import type { FieldType } from "../../../views/field.ts";
import { Type } from "../../../views/index.ts";

import type { JsonSchema } from "../../../views/recorded-type.ts";
import type { EventCase, FormerCase, Place } from "./case.ts";

/** The topic of the second source comes before that of the first, and has another number of partitions. */
export const partitions: Readonly<Record<Place, number>> = { first: 3, second: 2 };
const names: Readonly<Record<Place, string>> = { first: "fuzz.thing.seen", second: "fuzz.other.seen" };

/** What the fields that have a default are where they are missing. */
export const defaults: { readonly "late whole": number; readonly kind: string } = {
  "late whole": -2,
  kind: "é",
};

/** A field of each type, required and optional, some under names that have to be quoted. */
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
  return fields.some((field) => field.name === name && field.optional);
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

export const fields = eventType(0).fields;

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

/** Values that a literal can have. */
export const values: Readonly<Record<FieldType, fc.Arbitrary<Scalar>>> = {
  string: texts,
  integer: wholes,
  number: reals,
  boolean: fc.boolean(),
};

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

/** Now and then what makes the record no event of the type: an integer that is not safe, or a null. */
const data = Object.fromEntries(
  fields.map(({ name, type }) => {
    const wrong = type === "integer" ? fc.constantFrom(2 ** 53, null) : fc.constant(null);
    return [name, fc.oneof({ weight: 150, arbitrary: values[type] }, { weight: 1, arbitrary: wrong })];
  }),
);

/** Fields that a former schema may lack. */
export const evolvable = fields.filter((field) => field.optional).map((field) => field.name);

/** What producers wrote under a name that was still free: anything. */
const early = fc.dictionary(
  fc.constantFrom(...evolvable),
  fc.oneof(...Object.values(values), fc.constantFrom(null, 2 ** 53, 1.5, "1")),
  { maxKeys: 3, noNullPrototype: true },
);

export const events: fc.Arbitrary<EventCase> = fc.record({
  source: fc.constantFrom("s", "t"),
  id: fc.oneof(fc.constantFrom("a", "b", "c"), fc.nat(1_000_000).map(String)),
  time: times,
  zone: fc.oneof(
    { weight: 8, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constantFrom(60, -300, 345) },
  ),
  data: fc.record(data, {
    requiredKeys: fields.filter((field) => !field.optional).map((field) => field.name),
    noNullPrototype: true,
  }),
  early,
});
