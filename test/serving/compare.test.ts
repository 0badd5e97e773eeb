import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Manifest } from "../../infra/generations/generations.ts";
import type { Cut } from "../../views/cut.ts";
import { onlyMapping } from "../../views/mapping.ts";
import type { StateRow } from "../../views/state.ts";
import { byMachine, hour, type Measured, measure, stateOf } from "./measured.ts";
import { rollUp } from "./plain-stores.ts";
import { type Serving, settled, startServing } from "./serving.ts";

const topic = onlyMapping(byMachine).event.name;
const cut = { [topic]: [10, 0] } as unknown as Cut;

const record: fc.Arbitrary<Measured> = fc.record({
  site: fc.constantFrom("a", "b", "c"),
  unit: fc.constantFrom(null, 1),
  label: fc.constant(null),
  isOn: fc.constant(true),
  hour: fc.integer({ min: 0, max: 3 }).map((hours) => hours * hour),
  value: fc.oneof(fc.constant(null), fc.integer({ min: -5, max: 5 }), fc.constant(Number.MAX_SAFE_INTEGER)),
});

/** What a batch run keeps of what was served: by key, where it differs from the generation. */
function driftOf(generation: readonly StateRow[], served: readonly StateRow[]) {
  const keyOf = ({ dimensions, pane }: StateRow) => JSON.stringify([dimensions, pane]);
  const batch = new Map(rollUp(byMachine, generation).map((row) => [keyOf(row), row]));
  const speed = new Map(rollUp(byMachine, served).map((row) => [keyOf(row), row]));
  const keys = new Map([...batch, ...speed]);
  return [...keys].flatMap(([key, { dimensions, pane }]) => {
    const cells = speed.get(key)?.cells ?? null;
    const isSame = JSON.stringify(batch.get(key)?.cells ?? null, text) === JSON.stringify(cells, text);
    return isSame ? [] : [{ dimensions, pane, cells }];
  });
}

function text(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

async function serve(
  batch: readonly Measured[],
  since: readonly Measured[],
  more: Partial<Manifest> & { drift?: ReturnType<typeof driftOf> },
): Promise<Serving> {
  const serving = startServing([byMachine]);
  serving.tail.put(byMachine, [
    { partition: 0, from: 10, next: 10 + since.length, rows: since.map(stateOf) },
  ]);
  serving.generations.add(byMachine, "g-1", cut, batch.map(stateOf), more);
  await serving.generations.point(byMachine.name, "g-1");
  await settled();
  return serving;
}

/** Rows by group, as each side has them. */
function sideOf(records: readonly Measured[], group: (record: Measured) => string) {
  return (key: string) => {
    const members = records.filter((record) => group(record) === key);
    return members.length === 0 ? null : measure(members);
  };
}

const url = "/v1/views/by-machine/compare";

describe("a comparison", () => {
  test("shows of every group the generation, what was served at its cut, the merged state now, and the difference", async () => {
    const records = fc.array(record, { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        ...([records, records, records, fc.boolean(), fc.boolean()] as const),
        async (batch, served, since, isByUnit, onlyDiffering) => {
          const drift = driftOf(batch.map(stateOf), served.map(stateOf));
          const serving = await serve(batch, since, { drift });
          const names = isByUnit ? "site,unit" : "site";
          const { body } = await serving.get(`${url}?groupBy=${names}&differing=${onlyDiffering}`);
          const groupOf = ({ site, unit }: { site: string; unit?: number | null }) =>
            JSON.stringify(isByUnit ? [site, unit] : [site]);
          const keys = [...new Set([...batch, ...served, ...since].map(groupOf))];
          const sides = [batch, served, [...batch, ...since]].map((side) => sideOf(side, groupOf));
          const expected = keys.map((key) => {
            const [inBatch = null, inSpeed = null, inMerged = null] = sides.map((side) => side(key));
            return { key, batch: inBatch, speed: inSpeed, merged: inMerged };
          });
          const isDifferent = (row: (typeof expected)[number]) =>
            JSON.stringify(row.batch) !== JSON.stringify(row.speed);
          const rows = body.rows.map((row: (typeof body.rows)[number]) => ({
            key: groupOf(row),
            batch: row.batch,
            speed: row.speed,
            merged: row.merged,
          }));
          const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
          expect(rows.sort(byKey)).toEqual(
            expected.filter((row) => !onlyDiffering || isDifferent(row)).sort(byKey),
          );
          for (const row of body.rows) {
            const { batch: mine, speed: theirs, difference } = row;
            expect(difference.records).toBe((mine?.records ?? 0) - (theirs?.records ?? 0));
            if (mine !== null && theirs !== null && mine.total !== null && theirs.total !== null) {
              expect(BigInt(difference.total)).toBe(BigInt(mine.total) - BigInt(theirs.total));
            }
          }
          expect(body.provenance.reconciliation).toEqual({ kind: "compared" });
          await serving[Symbol.asyncDispose]();
        },
      ),
      { numRuns: 100 },
    );
  });

  const some: Measured = { site: "a", unit: 1, label: null, isOn: true, hour: 0, value: 3 };

  test("has no speed side where the generation was not compared, and says why", async () => {
    const serving = await serve([some], [], {
      reconciliation: { kind: "not-compared", reason: "the speed layer was down" },
    });
    const { body } = await serving.get(`${url}?groupBy=site&measures=records`);
    expect(body.rows).toEqual([
      { site: "a", batch: { records: 1 }, speed: null, merged: { records: 1 }, difference: null },
    ]);
    expect(body.provenance.reconciliation).toEqual({
      kind: "not-compared",
      reason: "the speed layer was down",
    });
    expect((await serving.get(`${url}?differing=true`)).body.rows).toEqual([]);
    await serving[Symbol.asyncDispose]();
  });

  test("has no speed side where not all that differed was kept", async () => {
    const differing = {
      kind: "compared",
      against: null,
      keys: 9,
      differing: 9,
      largestDrift: 1,
      examples: [],
    } as const;
    const serving = await serve([some], [], {
      reconciliation: differing,
      drift: driftOf([stateOf(some)], [stateOf({ ...some, value: 4 })]),
    });
    const { body } = await serving.get(`${url}?groupBy=site`);
    expect(body.rows[0].speed).toBeNull();
    expect(body.provenance.reconciliation.reason).toBe(
      "9 keys differed, of which only the first 1 were kept",
    );
    await serving[Symbol.asyncDispose]();
  });

  test("goes on after its cursor like any query", async () => {
    const batch = ["a", "b", "c"].map((site) => ({ ...some, site }));
    const serving = await serve(batch, [], {});
    const { body } = await serving.get(`${url}?groupBy=site&orderBy=-site&limit=2`);
    const { body: rest } = await serving.get(
      `${url}?groupBy=site&orderBy=-site&limit=2&cursor=${body.cursor}`,
    );
    expect([...body.rows, ...rest.rows].map(({ site }) => site)).toEqual(["c", "b", "a"]);
    expect(rest.cursor).toBeNull();
    await serving[Symbol.asyncDispose]();
  });
});
