import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import type { GenerationReader } from "../../infra/generations/generations.ts";
import { onlyFile } from "../../infra/generations/state-parts.ts";
import type { Scalar } from "../../views/expression.ts";
import type { StateRow } from "../../views/state.ts";
import { afterPrefix, compareText } from "../../views/text-order.ts";
import type { View } from "../../views/view.ts";
import {
  inOrder,
  manifestOf,
  minuteMs,
  windowed,
  windowedRows,
  windowless,
  windowlessRows,
} from "./some-view.ts";

let root: string;
let generations: GenerationsFolder;
let published = 0;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-generations-"));
  generations = await GenerationsFolder.own({ root, onWatchError: fail });
});

afterEach(() => rm(root, { recursive: true, force: true }));

function fail(error: unknown): never {
  throw error;
}

async function withReader(
  view: View,
  rows: readonly StateRow[],
  read: (reader: GenerationReader) => void | Promise<void>,
): Promise<void> {
  const id = `g${++published}`;
  const draft = await generations.draft(view, id);
  for (const row of rows) await draft.add(row);
  await writeFile(draft.pathOf(onlyFile), "");
  await draft.publish(manifestOf(view, id, rows));
  const reader = await generations.open(view, id);
  try {
    await read(reader);
  } finally {
    await reader[Symbol.asyncDispose]();
    await rm(join(root, view.name, id), { recursive: true });
  }
}

const bound = fc.option(
  fc
    .tuple(fc.integer({ min: -160, max: 160 }), fc.constantFrom(0, 0, 1, -1))
    .map(([m, ms]) => m * minuteMs + ms),
  { nil: undefined },
);

function inRange(rows: readonly StateRow[], from: number | undefined, to: number | undefined): StateRow[] {
  return rows.filter(
    (row) => (from === undefined || row.pane >= from) && (to === undefined || row.pane < to),
  );
}

const begins = (row: StateRow, prefix: readonly Scalar[]) =>
  prefix.every((value, i) => value === row.dimensions[i]);

test("what was added is read back whole and in order, whatever the keys, panes and cells", async () => {
  await fc.assert(
    fc.asyncProperty(windowedRows, (rows) =>
      withReader(windowed, rows, (reader) => {
        expect([...reader.scan([], undefined, undefined)]).toStrictEqual(rows);
      }),
    ),
    { numRuns: 30 },
  );
  await fc.assert(
    fc.asyncProperty(windowlessRows, (rows) =>
      withReader(windowless, rows, (reader) => {
        expect([...reader.scan([], undefined, undefined)]).toStrictEqual(rows);
        for (const row of rows)
          expect(reader.group(row.dimensions, undefined, undefined)).toStrictEqual([row]);
      }),
    ),
    { numRuns: 20 },
  );
});

test("group and scan give what a plain filter over all rows gives", async () => {
  await fc.assert(
    fc.asyncProperty(windowedRows, bound, bound, (rows, from, to) =>
      withReader(windowed, rows, (reader) => {
        const wanted = inRange(rows, from, to);
        for (const dimensions of [
          ...rows.map((row) => row.dimensions),
          ["no such", 1, true],
          [null, null, null],
        ]) {
          const group = wanted.filter((row) => begins(row, dimensions));
          expect(reader.group(dimensions, from, to)).toStrictEqual(group);
          for (const prefix of [dimensions.slice(0, 1), dimensions.slice(0, 2), dimensions]) {
            const scanned = wanted.filter((row) => begins(row, prefix));
            expect([...reader.scan(prefix, from, to)]).toStrictEqual(scanned);
          }
        }
        expect([...reader.scan([], from, to)]).toStrictEqual(wanted);
      }),
    ),
    { numRuns: 30 },
  );
});

test("a scan within a range of the next dimension leaves out nothing that lies in it", async () => {
  await fc.assert(
    fc.asyncProperty(windowedRows, fc.nat(), fc.nat(), (rows, a, b) =>
      withReader(windowed, rows, (reader) => {
        const texts = rows.flatMap(({ dimensions: [text] }) => (typeof text === "string" ? [text] : []));
        const [one, other] = [texts[a % texts.length] ?? "", texts[b % texts.length] ?? ""];
        const [from, to] = compareText(one, other) < 0 ? [one, other] : [other, one];
        const isIn = (text: Scalar | undefined, least: string | undefined, end: string | undefined) =>
          typeof text === "string" &&
          (least === undefined || compareText(text, least) >= 0) &&
          (end === undefined || compareText(text, end) < 0);
        for (const range of [
          { from, to },
          { from, to: undefined },
          { from: undefined, to },
          { from: one, to: afterPrefix(one) },
        ]) {
          const scanned = [...reader.scan([], undefined, undefined, range)];
          const inRange = (row: StateRow) => isIn(row.dimensions[0], range.from, range.to);
          expect(scanned.filter(inRange)).toStrictEqual(rows.filter(inRange));
        }
      }),
    ),
    { numRuns: 30 },
  );
  const rows = inOrder(
    Array.from({ length: 3_000 }, (_, i) => ({
      dimensions: [`name ${i}`, i, null],
      pane: 0,
      cells: [1, 2, 3, 4],
    })),
  );
  await withReader(windowed, rows, (reader) => {
    const read = [...reader.scan([], undefined, undefined, { from: "name 17", to: afterPrefix("name 17") })];
    expect(read).toHaveLength(111);
  });
});

test("a long series of many groups is read by range as by filter", async () => {
  const rows = inOrder(
    ["a", "b", "c"].flatMap((name) =>
      Array.from({ length: 3_000 }, (_, i) => {
        const cells = [i, BigInt(i) * 2n ** 60n + 2n ** 53n, i / 3, i % 7 === 0 ? null : -i];
        return { dimensions: [name, null, true], pane: (i - 1_500) * minuteMs, cells };
      }),
    ),
  );
  await withReader(windowed, rows, (reader) => {
    for (const [from, to] of [
      [-1_500, 1_500],
      [-1, 1],
      [900, 1_000],
      [-1_500, 0],
      [63, 65],
      [5_000, 6_000],
    ] as const) {
      const wanted = inRange(rows, from * minuteMs, to * minuteMs);
      expect([...reader.scan([], from * minuteMs, to * minuteMs)]).toStrictEqual(wanted);
      const group = wanted.filter((row) => row.dimensions[0] === "b");
      expect(reader.group(["b", null, true], from * minuteMs, to * minuteMs)).toStrictEqual(group);
      expect([...reader.scan(["b"], from * minuteMs, to * minuteMs)]).toStrictEqual(group);
    }
  });
});

test("a scan that is left half way, or goes on after the reader was closed, does no harm", async () => {
  const rows = inOrder(
    Array.from({ length: 5_000 }, (_, i) => ({ dimensions: ["a", i, null], pane: 0, cells: [1, 2, 3, 4] })),
  );
  let left: Iterator<StateRow> | undefined;
  await withReader(windowed, rows, (reader) => {
    for (const row of reader.scan(["a"], undefined, undefined)) {
      expect(row).toStrictEqual(rows[0]);
      break;
    }
    left = reader.scan([], undefined, undefined)[Symbol.iterator]();
    left.next();
  });
  expect(() => {
    while (left?.next().done === false);
  }).toThrow(/was read after it was closed/);
});

test("rows out of order, or a key twice, are refused", async () => {
  const row = (name: string, minute: number) => ({
    dimensions: [name, 1, true],
    pane: minute * minuteMs,
    cells: [1, 1, 1, 1],
  });
  for (const [first, second] of [
    [row("b", 0), row("a", 0)],
    [row("a", 1), row("a", 0)],
    [row("a", 100), row("a", 0)],
    [row("a", 0), row("a", 0)],
  ] as const) {
    const draft = await generations.draft(windowed, "refused");
    draft.add(first);
    expect(() => draft.add(second)).toThrow(/in order of key, then pane/);
    await draft.discard();
  }
});

test("drift is read back: what was served, or that nothing was", async () => {
  await fc.assert(
    fc.asyncProperty(windowedRows, async (rows) => {
      const id = `d${++published}`;
      const draft = await generations.draft(windowed, id);
      const drift = rows.map((row, i) => (i % 3 === 0 ? { ...row, cells: null } : row));
      for (const row of [...drift].reverse()) await draft.addDrift(row);
      await writeFile(draft.pathOf(onlyFile), "");
      await draft.publish(manifestOf(windowed, id, []));
      const reader = await generations.open(windowed, id);
      expect([...reader.drift()]).toStrictEqual(drift);
      expect([...reader.scan([], undefined, undefined)]).toStrictEqual([]);
      await reader[Symbol.asyncDispose]();
    }),
    { numRuns: 20 },
  );
});
