import fc from "fast-check";
import { expect, test } from "vitest";
import { TailSegment } from "../../infra/tail/segment.ts";
import { offset } from "../../views/cut.ts";
import type { StateRow } from "../../views/state.ts";
import { placesByHour } from "./visits.ts";

/** Of one row per place, or by which reader the changes are taken. */
const step = fc.oneof(
  fc.constantFrom("ORD", "ä", "🛫"),
  fc.constantFrom("written" as const, "told" as const),
);

test("whoever writes what changes and whoever tells it both get all of it, whenever the other one comes", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const segment = new TailSegment(placesByHour, 0, offset(0));
      segment.takeChanged();
      const [written, told] = [new Map<unknown, unknown>(), new Map<unknown, unknown>()];
      const take = (into: Map<unknown, unknown>, rows: Iterable<StateRow>) => {
        for (const { dimensions, cells } of rows) into.set(dimensions[0], [...cells]);
      };
      for (const each of [...steps, "written", "told"]) {
        if (each === "written") take(written, segment.takeDirty());
        else if (each === "told") take(told, segment.takeChanged());
        else segment.mergeRow({ dimensions: [each], pane: 0, cells: placesByHour.columns.map(() => 1) });
      }
      const now = new Map<unknown, unknown>();
      take(now, segment.entries());
      expect(written).toEqual(now);
      expect(told).toEqual(now);
    }),
  );
});
