import { expect, test } from "vitest";
import { isLetterOf, typesByName } from "../../infra/erasures/letter-of-subject.ts";
import { offset } from "../../views/cut.ts";
import { defineApp, defineChanges, defineEvent, Type } from "../../views/index.ts";
import type { SubjectFacts } from "../../views/subject.ts";

const bought = defineEvent({
  name: "test.thing.bought",
  schema: Type.Object({ by: Type.Object({ customer: Type.String() }) }),
  key: (f) => f.by.customer,
});
const counted = defineEvent({
  name: "test.thing.counted",
  schema: Type.Object({ number: Type.Integer() }),
  key: (f) => f.number,
});
const seen = defineEvent({ name: "test.thing.seen", schema: Type.Object({}) });
const lines = defineChanges({
  name: "shop.public.lines",
  row: Type.Object({ order: Type.Integer(), line: Type.String() }),
  key: ["order", "line"],
});
const types = typesByName(defineApp({ name: "letters", views: [], events: [bought, counted, seen, lines] }));

const facts = (key: string, type: string | null = null): SubjectFacts => ({
  ...{ key, type, askedAt: "2026-01-01T00:00:00Z" },
  bound: { [bought.name]: [offset(5)] },
});

const letter = (
  topic: string | null,
  raw: unknown,
  record: { offset: number; key?: string } | null = null,
) => ({
  topic,
  raw: Buffer.isBuffer(raw) ? raw : Buffer.from(typeof raw === "string" ? raw : JSON.stringify(raw)),
  record: record && { partition: 0, offset: offset(record.offset), key: record.key ?? null },
  receivedAt: "2025-12-31T00:00:00Z",
});

const isOf = (subject: SubjectFacts, ...of: Parameters<typeof letter>) =>
  isLetterOf(subject, letter(...of), types);

test("the key of a letter is that which its event would have", () => {
  const wrong = { id: 7, data: { by: { customer: "C-17" }, more: "C-18" } };
  expect(isOf(facts("C-17"), bought.name, wrong)).toBe(true);
  expect(isOf(facts("C-18"), bought.name, wrong)).toBe(false);
  expect(isOf(facts("C-18"), bought.name, { ...wrong, partitionkey: "C-18" })).toBe(true);
  expect(isOf(facts("C-17"), bought.name, { ...wrong, partitionkey: "C-18" })).toBe(false);
  expect(isOf(facts("12"), counted.name, { data: { number: 12, time: "no" } })).toBe(true);
  expect(isOf(facts("C-17"), seen.name, { id: "C-17" })).toBe(true);
  expect(isOf(facts("C-17"), bought.name, "torn {", { offset: 3, key: "C-17" })).toBe(true);
});

test("the key of a change is that of its row, with an envelope around it and without", () => {
  const key = '{"order":7,"line":"a"}';
  const bound = { [lines.name]: [offset(5)] };
  const isOfRow = (raw: unknown) =>
    isLetterOf({ ...facts(key), bound }, letter(lines.name, raw, { offset: 1 }), types);
  const row = { line: "a", order: 7, units: "many" };
  expect(isOfRow({ op: "u", before: null, after: row })).toBe(true);
  expect(isOfRow({ schema: {}, payload: { op: "d", before: row, after: null } })).toBe(true);
  expect(isOfRow({ id: "x", data: { op: "c", after: row } })).toBe(true);
  expect(isOfRow({ op: "u", before: row, after: { ...row, line: "b" } })).toBe(false);
  expect(isOfRow({ op: "u", after: { order: 7 }, more: row })).toBe(false);
  expect(isOfRow(`{"op":"u","after":${key}, torn`)).toBe(true);
});

test("where a letter has no key, the key may stand anywhere in it, by itself", () => {
  for (const raw of [
    `{"who": "C-17", torn`,
    `[{"data":{"by":{"customer":"C-17"}}}]`,
    `see C-17.`,
    `{"who": "\\u0043-17", torn`,
    Buffer.from([0xff, ...Buffer.from("C-17")]),
  ]) {
    expect([raw, isOf(facts("C-17"), null, raw)]).toEqual([raw, true]);
    expect([raw, isOf(facts("C-1"), null, raw)]).toEqual([raw, Buffer.isBuffer(raw)]);
  }
  for (const raw of [`"C-170"`, `"BC-17"`, `"C-17-2"`, `"C-17.5"`, ""]) {
    expect([raw, isOf(facts("C-17"), null, raw)]).toEqual([raw, false]);
  }
  expect(isOf(facts("17"), null, `{"number":17,`)).toBe(true);
  expect(isOf(facts("17"), null, `{"number":17.5, "on":"2026-17-01", "n": 217`)).toBe(false);
  expect(isOf(facts(`a"b`), null, `{"who":"a\\"b",`)).toBe(true);
});

test("what came later, or is of another type, is not meant", () => {
  const raw = { data: { by: { customer: "C-17" } } };
  expect(isOf(facts("C-17"), bought.name, raw, { offset: 4 })).toBe(true);
  expect(isOf(facts("C-17"), bought.name, raw, { offset: 5 })).toBe(false);
  expect(
    isLetterOf(facts("C-17"), { ...letter(null, `"C-17"`), receivedAt: "2026-01-02T00:00:00Z" }, types),
  ).toBe(false);
  expect(isOf(facts("C-17", seen.name), bought.name, raw)).toBe(false);
  expect(isOf(facts("C-17", seen.name), null, `"C-17"`)).toBe(true);
});

test("of a type's old facts are its letters that were received before the horizon", () => {
  const old = {
    type: bought.name,
    before: "2026-01-01T00:00:00.000Z",
    bound: {},
    askedAt: "2026-02-01T00:00:00Z",
  };
  const isOld = (topic: string | null, receivedAt: string) =>
    isLetterOf(old, { ...letter(topic, "torn {"), receivedAt }, types);
  expect(isOld(bought.name, "2025-12-31T23:59:59.999Z")).toBe(true);
  expect(isOld(bought.name, "2026-01-01T00:00:00.000Z")).toBe(false);
  expect(isOld(seen.name, "2025-12-31T00:00:00.000Z")).toBe(false);
  expect(isOld(null, "2025-12-31T00:00:00.000Z")).toBe(false);
});
