import { expect, test } from "vitest";
import { count, defineChanges, defineEvent, defineView, Type } from "../../views/index.ts";
import { recordType } from "../../views/recorded-type.ts";
import { horizonOf } from "../../views/retention.ts";
import { compareTypes } from "../../views/schema-change.ts";

const kept = (keep?: string | null) =>
  defineEvent({
    name: "shop.order.placed",
    schema: Type.Object({ cents: Type.Integer() }),
    ...(keep !== undefined && { keep }),
  });

test("the horizon is a midnight of UTC, and no fact is younger than keep says", () => {
  const at = (keep: string | null, time: string) => horizonOf(kept(keep), Date.parse(time));
  expect(at("1d", "2026-03-01T00:00:00.000Z")).toBe("2026-02-28T00:00:00.000Z");
  expect(at("1d", "2026-03-01T23:59:59.999Z")).toBe("2026-02-28T00:00:00.000Z");
  expect(at("36h", "2026-03-01T11:59:59.999Z")).toBe("2026-02-27T00:00:00.000Z");
  expect(at("36h", "2026-03-01T12:00:00.000Z")).toBe("2026-02-28T00:00:00.000Z");
  expect(at("400d", "2026-03-01T03:00:00.000Z")).toBe("2025-01-25T00:00:00.000Z");
  expect(at("999999999d", "2026-03-01T03:00:00.000Z")).toBeUndefined();
  expect([at(null, "2026-03-01T03:00:00Z"), kept().keep]).toEqual([undefined, null]);
});

test("what is no length of a day at least is refused, of changes too", () => {
  for (const keep of ["23h", "", "forever", "1y", 30 as unknown as string]) {
    expect(() => kept(keep)).toThrow(
      /TIDEMARK_DECLARATION_TYPE|keep must be a length of time of a day at least/,
    );
  }
  const row = Type.Object({ id: Type.Integer() });
  const rows = (keep: string) => defineChanges({ name: "shop.public.rows", row, key: ["id"], keep });
  expect(rows("30d").keep).toBe("30d");
  expect(() => rows("1m")).toThrow("a day at least");
});

test("it is refused together with a log that keeps every record", () => {
  const schema = Type.Object({ cents: Type.Integer(), by: Type.String() });
  const both = { keep: "30d", encrypted: true };
  expect(() => defineEvent({ name: "shop.order.placed", schema, key: (f) => f.by, ...both })).toThrow(
    "leave out one of the two",
  );
});

test("it means nothing to fingerprints, and may change: a record of it is no other type", () => {
  const fingerprint = (keep?: string) =>
    defineView({ name: "orders", from: kept(keep), by: () => ({}), measures: () => ({ n: count() }) })
      .fingerprint;
  expect(new Set([fingerprint(), fingerprint("30d"), fingerprint("60d")]).size).toBe(1);
  expect("keep" in recordType(kept())).toBe(false);
  expect(recordType(kept("30d")).keep).toBe("30d");
  expect(compareTypes(recordType(kept("30d")), kept("7d"))).toEqual({
    ...{ widenings: [], restatements: [], refusals: [] },
  });
});
