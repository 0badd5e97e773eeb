import { expect, test } from "vitest";
import { TailSegment } from "../../infra/tail/segment.ts";
import { CurrentRows } from "../../serving-layer/changes/current-rows.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import { Decoder } from "../../views/decoder.ts";
import { defineTable } from "../../views/index.ts";
import { ada, change, orderChanges } from "./orders.ts";

const orders = defineTable({ name: "orders", from: orderChanges, publish: true });

test("of a table that is published a row that is deleted is gone, and is there again once it is inserted", () => {
  const decoder = new Decoder([orderChanges]);
  const events = [
    change("c", 100, { after: ada }),
    change("d", 110, { before: ada }),
    change("c", 120, { after: { ...ada, status: "again" } }),
  ].map((data, i) =>
    decoder.decode(
      JSON.stringify({
        id: `${i}`,
        source: "test",
        type: orderChanges.name,
        time: "2024-05-01T12:00:00Z",
        data,
      }),
    ),
  );
  const places = events.map((_, i) => ({ offset: offset(i) }));
  const rows = new CurrentRows(orders);
  const key = '{"id":7}';
  const told = events.map((_, last) => {
    const segment = new TailSegment(orders, 0, offset(0));
    compileFold(orders)(segment, events.slice(0, last + 1), 0, places);
    const [row] = segment.sortedRows();
    if (row === undefined) throw new Error("nothing was folded");
    const asTail = rows.find({ reader: undefined, segments: [segment] }, row.dimensions, row.pane);
    expect(rows.merge({ reader: undefined, segments: [] }, row)).toEqual(asTail);
    return { ...asTail, row: asTail.row === null ? "gone" : JSON.parse(asTail.row).status };
  });
  expect(told).toEqual([
    { key, row: "open" },
    { key, row: "gone" },
    { key, row: "again" },
  ]);
});
