import fc from "fast-check";
import { expect, test } from "vitest";
import { offset } from "../../views/cut.ts";
import { DuplicateWindow } from "../../views/duplicates.ts";
import { Random } from "../fault/random.ts";

interface Seen {
  readonly id: string;
  readonly source: string;
  readonly gap: number;
}

const records = fc.array(
  fc.record({
    id: fc.constantFrom("a", "b", "c", "d"),
    source: fc.constantFrom("/x", "/y"),
    gap: fc.integer({ min: 1, max: 3 }),
  }),
  { maxLength: 60 },
);

function place(sequence: readonly Seen[]) {
  let at = -1;
  return sequence.map((record) => {
    at += record.gap;
    return { ...record, at };
  });
}

test("a record is a duplicate exactly if the same source and id stand among the N offsets before it", () => {
  fc.assert(
    fc.property(records, fc.integer({ min: 0, max: 12 }), (sequence, n) => {
      const window = new DuplicateWindow(n);
      const placed = place(sequence);
      placed.forEach((record, i) => {
        const isDuplicate = placed
          .slice(0, i)
          .some((b) => b.id === record.id && b.source === record.source && record.at - b.at <= n);
        expect(window.note(record.source, record.id, offset(record.at))).toBe(isDuplicate);
      });
    }),
  );
});

test("a window that starts N offsets earlier answers as one that saw everything", () => {
  fc.assert(
    fc.property(records, fc.integer({ min: 0, max: 12 }), fc.nat(60), (sequence, n, start) => {
      const whole = new DuplicateWindow(n);
      const warmed = new DuplicateWindow(n);
      for (const record of place(sequence)) {
        const expected = whole.note(record.source, record.id, offset(record.at));
        if (record.at < start - n) continue;
        const answer = warmed.note(record.source, record.id, offset(record.at));
        if (record.at >= start) expect(answer).toBe(expected);
      }
    }),
  );
});

test("of many ids and sources, long ones and ones in any script among them, each is told from all others", () => {
  const random = new Random(3);
  const window = new DuplicateWindow(1_000);
  const last = new Map<string, number>();
  let duplicates = 0;
  for (let at = 0; at < 20_000; at++) {
    const number = random.whole(0, 4_000);
    const id = number % 7 === 0 ? `\u00e9\u{1F600}${"x".repeat(number % 900)}${number}` : number.toString(36);
    const source = `/source-${random.whole(0, at < 10_000 ? 3 : 200)}`;
    const key = JSON.stringify([source, id]);
    const isDuplicate = at - (last.get(key) ?? Number.NEGATIVE_INFINITY) <= 1_000;
    duplicates += isDuplicate ? 1 : 0;
    last.set(key, at);
    expect(window.note(source, id, offset(at))).toBe(isDuplicate);
  }
  expect(duplicates).toBeGreaterThan(300);
});
