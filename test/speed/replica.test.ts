import { expect, test } from "vitest";
import { PartitionReplica, viewsOf } from "../../infra/tail/partition-replica.ts";
import { type EncodedRow, type TailRecord, viewNameOf } from "../../infra/tail/tail-record.ts";
import { offset } from "../../views/cut.ts";
import { placesByHour, visit, visits } from "./visits.ts";

test("a segment of which a reader passed over the beginning is no way in", () => {
  const replica = new PartitionReplica(viewsOf(visits, visit.name, 0));
  const chain = replica.chains.find(({ view }) => view === placesByHour);
  if (chain === undefined) throw new Error("the view has the partition");
  const [epoch, view, base] = [1, viewNameOf(placesByHour), offset(0)];
  const tell = (from: number, next: number, isSealed: boolean): boolean[] => {
    const rows: readonly EncodedRow[] = [];
    const range = { from: offset(from), next: offset(next), isSealed };
    const records: readonly TailRecord[] = [
      { kind: "rows", epoch, view, base, rows },
      { kind: "segment", epoch, view, base, ...range },
    ];
    return records.map((record) => replica.apply(record));
  };
  replica.apply({ kind: "claim", epoch, owner: "a" });
  replica.apply({ kind: "start", epoch, view, at: base });
  expect(tell(0, 2, false)).toEqual([true, true]);
  // The reader goes over to a generation at 5 before the owner has come that far.
  chain.jump(offset(5));
  expect(tell(2, 5, true)).toEqual([true, false]);
  expect(chain.hasBoundary(base)).toBe(false);
  // Told whole, it is one.
  expect(tell(0, 5, true)).toEqual([true, true]);
  expect(chain.pathFrom(base)?.map(({ from, next }) => [from, next])).toEqual([
    [0, 5],
    [5, 5],
  ]);
});
