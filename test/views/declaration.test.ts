import { expect, test } from "vitest";
import type { FieldsOf } from "../../views/event.ts";
import {
  count,
  defineApp,
  defineEvent,
  defineView,
  mean,
  sum,
  Type,
  tumbling,
  when,
} from "../../views/index.ts";

const click = defineEvent({
  name: "web.page.clicked",
  schema: Type.Object({ page: Type.String(), ms: Type.Integer(), share: Type.Optional(Type.Number()) }),
});

type Fields = FieldsOf<typeof click>;

const declaration = {
  name: "clicks",
  from: click,
  by: (f: { page: never }) => ({ page: f.page, hour: tumbling("1h") }),
  measures: () => ({ clicks: count() }),
} as const;

const clicks = defineView({
  name: "clicks",
  from: click,
  by: (f) => ({ page: f.page, hour: tumbling("1h") }),
  measures: (f) => ({ clicks: count(), slow: count({ where: f.ms.gt(100) }), mean: mean(f.ms) }),
});

function declare(change: Partial<Parameters<typeof defineView>[0]>) {
  return () => defineView({ ...(declaration as unknown as Parameters<typeof defineView>[0]), ...change });
}

test("a view is frozen through and through", () => {
  const seen = new Set<unknown>();
  const walk = (value: unknown) => {
    if (typeof value !== "object" || value === null || seen.has(value) || value === click.schema) return;
    seen.add(value);
    expect(Object.isFrozen(value), JSON.stringify(value)).toBe(true);
    for (const part of Object.values(value)) walk(part);
  };
  walk(clicks);
  expect(seen.size).toBeGreaterThan(15);
});

test("the fingerprint follows the meaning, not the name", () => {
  const again = (change: object) =>
    defineView({
      name: "other",
      from: click,
      by: (f) => ({ page: f.page, hour: tumbling("1h") }),
      measures: (f) => ({ clicks: count(), slow: count({ where: f.ms.gt(100) }), mean: mean(f.ms) }),
      ...change,
    }).fingerprint;
  expect(again({})).toBe(clicks.fingerprint);
  const changes = [
    { by: () => ({ hour: tumbling("1h") }) },
    { where: (f: { ms: { gt(n: number): never } }) => f.ms.gt(0) },
    { measures: () => ({ clicks: count() }) },
  ];
  const others = changes.map(again);
  const threshold = again({
    measures: (f: never) => ({
      clicks: count(),
      slow: count({ where: (f as { ms: { gt(n: number): never } }).ms.gt(101) }),
      mean: mean((f as { ms: never }).ms),
    }),
  });
  expect(new Set([clicks.fingerprint, threshold, ...others]).size).toBe(5);
});

test.each([
  ["a window's length", () => tumbling("1 hour"), "TIDEMARK_DECLARATION_WINDOW", '"1h"'],
  ["a view's name", declare({ name: "Clicks!" }), "TIDEMARK_DECLARATION_NAME", '"Clicks!"'],
  [
    "a column that a query means otherwise",
    declare({ measures: () => ({ limit: count() }) }),
    "TIDEMARK_DECLARATION_NAME",
    '"limit"',
  ],
  [
    "two columns of one name",
    declare({ measures: () => ({ Page: count() }) }),
    "TIDEMARK_DECLARATION_NAME",
    "Page",
  ],
  ["no measure", declare({ measures: () => ({}) }), "TIDEMARK_DECLARATION_VIEW", "at least one"],
  [
    "two windows",
    declare({ by: () => ({ hour: tumbling("1h"), day: tumbling("1d") }) }),
    "TIDEMARK_DECLARATION_WINDOW",
    "two windows",
  ],
  [
    "an unknown field",
    declare({ by: (f) => ({ page: (f as unknown as Record<string, never>).pag as never }) }),
    "TIDEMARK_DECLARATION_FIELD",
    "page, ms, share",
  ],
  [
    "a float dimension",
    declare({ by: (f) => ({ share: (f as unknown as Record<string, never>).share as never }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "float",
  ],
  [
    "an event type's name",
    () => defineEvent({ name: "clicked", schema: Type.Object({}) }),
    "TIDEMARK_DECLARATION_NAME",
    "<domain>",
  ],
  [
    "a field no view could compute with",
    () => defineEvent({ name: "a.b.c", schema: Type.Object({ tags: Type.Array(Type.String()) }) }),
    "TIDEMARK_DECLARATION_FIELD",
    '"tags"',
  ],
  [
    "fields that differ in case only",
    () => defineEvent({ name: "a.b.c", schema: Type.Object({ a: Type.String(), A: Type.String() }) }),
    "TIDEMARK_DECLARATION_FIELD",
    '"A"',
  ],
  [
    "a field that every object has",
    () => defineEvent({ name: "a.b.c", schema: Type.Object({ toString: Type.String() }) }),
    "TIDEMARK_DECLARATION_FIELD",
    "toString",
  ],
  [
    "a key that may be missing",
    () => defineEvent({ ...click, name: "a.b.c", key: (f) => f.share as never }),
    "TIDEMARK_DECLARATION_FIELD",
    "key",
  ],
  [
    "a number of partitions",
    () => defineEvent({ name: "a.b.c", schema: Type.Object({}), partitions: 0 }),
    "TIDEMARK_DECLARATION_TYPE",
    "partitions",
  ],
  [
    "two views of one name",
    () => defineApp({ name: "a", views: [clicks, clicks] }),
    "TIDEMARK_DECLARATION_APP",
    '"clicks"',
  ],
  [
    "an app without anything",
    () => defineApp({ name: "a", views: [] }),
    "TIDEMARK_DECLARATION_APP",
    "at least one",
  ],
  [
    "a literal of another type",
    declare({ where: (f) => (f as unknown as typeof fields).ms.gt("1" as never) }),
    "TIDEMARK_DECLARATION_TYPE",
    "integer",
  ],
  [
    "the digits of a float",
    declare({ by: (f) => ({ share: (f as unknown as Fields).share.toText() }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "round()",
  ],
  [
    "the quotient of a float",
    declare({ by: (f) => ({ share: (f as unknown as Fields).share.quotient(2) }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "integers",
  ],
  [
    "a quotient by nothing",
    declare({ by: (f) => ({ ms: (f as unknown as Fields).ms.quotient(0) }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "quotient(0)",
  ],
  [
    "an empty separator",
    declare({ by: (f) => ({ page: (f as unknown as Fields).page.part("", 1) }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "separator",
  ],
  [
    "half a surrogate pair",
    declare({ where: (f) => (f as unknown as Fields).page.contains("\ud83d") }),
    "TIDEMARK_DECLARATION_TYPE",
    "string",
  ],
  [
    "a case whose outcomes are of two types",
    declare({ by: (f) => ({ a: when((f as unknown as Fields).ms.gt(1), "slow").otherwise(1 as never) }) }),
    "TIDEMARK_DECLARATION_TYPE",
    "string",
  ],
] as const)("%s that is not supported is refused when it is declared", (_what, declare, code, words) => {
  expect(declare).toThrow(expect.objectContaining({ code, message: expect.stringContaining(words) }));
});

declare const fields: { ms: { gt(value: number): never } };

test("an app takes in the event types of its views, each once", () => {
  const sums = defineView({
    name: "sums",
    from: click,
    by: () => ({}),
    measures: (f) => ({ ms: sum(f.ms) }),
  });
  expect(defineApp({ name: "a", views: [clicks, sums] }).events).toEqual([click]);
});
