import { existsSync, readdirSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { gatherFew, isCounted, partsOf } from "../../batch-layer/by-code.ts";
import type { Measure } from "../../views/aggregate.ts";
import { Cases } from "../../views/expressions/cases.ts";
import { ListExpression } from "../../views/expressions/list.ts";
import {
  BooleanExpression,
  NumberExpression,
  StringExpression,
  TimeExpression,
} from "../../views/expressions/typed.ts";
import type { Mapping } from "../../views/mapping.ts";
import { recordType } from "../../views/recorded-type.ts";
import { compareTypes } from "../../views/schema-change.ts";
import type { View } from "../../views/view.ts";
import { isDivided } from "./fuzz/coarser.ts";
import { declare, declareTable, typeOf } from "./fuzz/declare.ts";
import { itemFields } from "./fuzz/fields.ts";
import { cases } from "./fuzz/generate.ts";
import { coarser, windows } from "./fuzz/windows.ts";

/** What cases are not made of yet, by name, with the test that holds both its meanings equal meanwhile. */
const elsewhere: Readonly<Record<string, string>> = {};

/** In order, and each as often as it is named: a name that is listed and seen, or listed and gone, shows. */
function withListed(seen: Iterable<string>, isOfThisKind: (name: string) => boolean): readonly string[] {
  return [...seen, ...Object.keys(elsewhere).filter(isOfThisKind)].sort();
}

const classes = [
  ...[StringExpression, NumberExpression, BooleanExpression, TimeExpression, Cases],
  ListExpression as unknown as typeof Cases,
];
/** Not for declarations. */
const internal = new Set(["constructor", "compare"]);
const isMethod = (name: string) => name.includes(".");
const sample = fc.sample(cases, { seed: 1, numRuns: 1_500 });
const { views, called } = recordingCalls(() => sample.map((c) => declare({ ...c, table: null })));

test("cases are made of every aggregate there is", () => {
  const kinds = new Set(views.flatMap((view) => measuredIn(view).map(({ aggregate }) => aggregate.kind)));
  const files = readdirSync(new URL("../../views/aggregates", import.meta.url));
  const all = files.map((file) =>
    file.replace(".ts", "").replace(/-./g, (dash) => dash.slice(1).toUpperCase()),
  );
  expect(withListed(kinds, (name) => !isMethod(name))).toEqual(all.sort());
});

test("cases are computed by SQL of one step and of two, these also with other measures, in parts, and where not all is counted", () => {
  const inSteps = views.filter(({ measures }) => measures.some(isCounted));
  expect(inSteps.length).toBeLessThan(views.length);
  const parts = inSteps.map(({ measures }) => ({ measures, parts: partsOf(measures).length }));
  expect(parts.filter((each) => each.parts === 1 && each.measures.length > 1).length).toBeGreaterThan(20);
  expect(parts.filter((each) => each.parts > 2).length).toBeGreaterThan(20);
  const counted = inSteps.flatMap(({ measures }) => measures.filter(isCounted));
  expect(
    counted.filter(({ aggregate: { where, input } }) => where ?? input?.nullable).length,
  ).toBeGreaterThan(20);
  const gathering = views.filter(
    (view, i) => sample[i]?.isMany !== true && gatherFew(view, 1, view.measures) !== view.measures,
  );
  expect(gathering.length).toBeGreaterThan(5);
});

test("cases are made of every method of every type of expression", () => {
  const all = classes.flatMap((type) => methodsOf(type).map(({ name }) => `${type.name}.${name}`));
  expect(withListed(called, isMethod)).toEqual(all.sort());
});

test("cases are made of every list that is listed, its elements as rows, and of none", () => {
  const lists = new Set(views.flatMap(({ mappings }) => mappings.map(({ list }) => list?.path.join("."))));
  expect(lists).toEqual(new Set([undefined, ...Object.keys(itemFields)]));
});

test("cases are made of every window that is listed, and of none", () => {
  const names = views.map(({ window: { window } = {} }) => {
    if (window === undefined || window.kind === "tumbling") return window?.text;
    const zone = window.kind === "calendar" ? ` ${window.calendar.zone.name}` : "";
    return `${window.kind} ${window.text}${zone}`;
  });
  const lengths = new Set(names);
  expect(lengths).toEqual(new Set([undefined, ...Object.keys(windows)]));
});

test("panes are rolled up into wider ones of every kind, and refused where they lie in two", () => {
  const found = new Set(sample.flatMap((c) => (c.table === null ? [c.view.window] : [])));
  for (const window of Object.keys(coarser)) expect(found).toContain(window);
  const offset = Date.parse("1883-01-01T04:00:00Z");
  const [days] = coarser["1h"] ?? [];
  expect(days && isDivided(days, offset)).toBe(true);
  expect(days && isDivided(days, Date.parse("2024-03-10T05:00:00Z"))).toBe(false);
});

test("cases are made of views of one event type and of two, with measures of either and of both", () => {
  const fed = views.flatMap((view) =>
    measuredIn(view).map(({ name }) =>
      view.mappings
        .filter((mapping) => addedTo(mapping).some((measure) => measure.name === name))
        .map(({ event }) => event.name)
        .concat(view.mappings.length === 1 ? "alone" : [])
        .join(" "),
    ),
  );
  const [one, two] = ["fuzz.thing.seen", "fuzz.other.seen"];
  expect(new Set(fed)).toEqual(new Set([`${one} alone`, one, two, `${two} ${one}`]));
});

test("every aggregate is of two event types in some case", () => {
  const kinds = views.flatMap(({ mappings: [first, second] }) => {
    const ofBoth = second === undefined ? [] : addedTo(second).map(({ name }) => name);
    return (first === undefined ? [] : addedTo(first))
      .filter(({ name }) => ofBoth.includes(name))
      .map(({ aggregate }) => aggregate.kind);
  });
  const all = views.flatMap((view) => measuredIn(view).map(({ aggregate }) => aggregate.kind));
  expect(new Set(kinds)).toEqual(new Set(all));
});

test("cases are made of former schemas of every kind that may widen, and of none that may not", () => {
  const changes = sample.flatMap((c) =>
    (c.former ?? []).map((_, i) =>
      compareTypes(recordType(typeOf(c, "first", i)), typeOf(c, "first", i + 1)),
    ),
  );
  expect(changes.flatMap(({ refusals }) => refusals)).toEqual([]);
  const words = changes.flatMap(({ widenings }) => widenings).join("\n");
  for (const kind of [
    /^adds ".*" \(/m,
    /, -2 where it is missing/,
    /is number, was integer/,
    /is optional, was required/,
  ]) {
    expect(words).toMatch(kind);
  }
  expect(sample.some(({ former = [] }) => former.length === 2)).toBe(true);
});

test("cases are made of sessions of one event type and of two", () => {
  const types = views.flatMap(({ sessions, mappings }) => (sessions === undefined ? [] : [mappings.length]));
  expect(new Set(types)).toEqual(new Set([1, 2]));
});

test("cases are made of dimension tables with every type of key and attribute, null and deleted ones among them", () => {
  const tables = sample.flatMap(({ table, duplicatesWithin }) =>
    table == null ? [] : [{ ...table, ...declareTable(table, duplicatesWithin) }],
  );
  const attributes = new Set(
    tables.flatMap((table) => table.view.measures.slice(1).map(({ aggregate }) => aggregate.value.type)),
  );
  expect(attributes).toEqual(new Set(["string", "integer", "boolean"]));
  expect(new Set(tables.map(({ keyType }) => keyType))).toEqual(new Set(["string", "integer"]));
  expect(new Set(tables.map(({ deleted }) => deleted === null)).size).toBe(2);
  expect(new Set(tables.map(({ where }) => where === null)).size).toBe(2);
});

test("what cases are not made of is held by a test that is there", () => {
  for (const file of Object.values(elsewhere)) expect(existsSync(new URL(file, import.meta.url))).toBe(true);
});

/** The measures over records. */
function measuredIn(view: View): readonly Measure[] {
  return (view.sessions ?? view).measures;
}

function addedTo(mapping: Mapping): readonly Measure[] {
  return mapping.inSession ?? mapping.measures;
}

interface Method {
  readonly name: string;
  readonly owner: object;
  readonly descriptor: PropertyDescriptor;
}

/** Public methods, inherited ones included. */
function methodsOf(type: { readonly prototype: object }): readonly Method[] {
  const methods: Method[] = [];
  for (let owner = type.prototype; owner !== Object.prototype; owner = Object.getPrototypeOf(owner)) {
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(owner))) {
      if (typeof descriptor.value === "function" && !internal.has(name))
        methods.push({ name, owner, descriptor });
    }
  }
  return methods;
}

/** The methods that a declaration calls by itself, not those that these call in turn. */
function recordingCalls<T>(declareAll: () => T): { readonly views: T; readonly called: ReadonlySet<string> } {
  const called = new Set<string>();
  let depth = 0;
  const methods = new Map(classes.flatMap(methodsOf).map((method) => [method.descriptor.value, method]));
  for (const { name, owner, descriptor } of methods.values()) {
    const recorded = function (this: object, ...args: unknown[]): unknown {
      if (depth === 0) called.add(`${this.constructor.name}.${name}`);
      depth++;
      try {
        return descriptor.value.apply(this, args);
      } finally {
        depth--;
      }
    };
    Object.defineProperty(owner, name, { ...descriptor, value: recorded });
  }
  try {
    return { views: declareAll(), called };
  } finally {
    for (const { name, owner, descriptor } of methods.values())
      Object.defineProperty(owner, name, descriptor);
  }
}
