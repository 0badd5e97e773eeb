import { expect, test } from "vitest";
import { airportHours } from "../../examples/flights/app.ts";
import { KeptGroup } from "../../serving-layer/kept-group.ts";

/** A generation that counts how often it is read; a range of `n` hours has `n` rows. */
function generation(name: string) {
  const read: string[] = [];
  return {
    read,
    group: (dimensions: readonly unknown[], from = 0, to = 0) => {
      read.push(`${dimensions} ${from}-${to}`);
      return Array.from({ length: to - from }, (_, i) => ({ dimensions: [name], pane: from + i, cells: [] }));
    },
  };
}

test("a group is read once from each generation, where it is small", () => {
  const kept = new KeptGroup(airportHours);
  const [first, second] = [generation("g-1"), generation("g-2")];
  for (let i = 0; i < 3; i++) {
    expect(kept.of(first).group(["ORD"], 0, 2)).toMatchObject([{ dimensions: ["g-1"] }, { pane: 1 }]);
    expect(kept.of(first).group(["ORD"], 2, 3)).toMatchObject([{ pane: 2 }]);
    expect(kept.of(first).group(["ORD"], 0, 65)).toHaveLength(65);
  }
  expect(first.read).toEqual(["ORD 0-2", "ORD 2-3", "ORD 0-65", "ORD 0-65", "ORD 0-65"]);
  expect(kept.of(second).group(["ORD"], 0, 2)).toMatchObject([{ dimensions: ["g-2"] }, { pane: 1 }]);
  expect(kept.of(first).group(["ORD"], 0, 2)).toMatchObject([{ dimensions: ["g-1"] }, { pane: 1 }]);
  expect(second.read).toEqual(["ORD 0-2"]);
});

test("a group of a view with sketches is read each time", () => {
  const kept = new KeptGroup({ ...airportHours, sketchColumns: [0] });
  const only = generation("g-1");
  for (let i = 0; i < 2; i++) expect(kept.of(only).group(["ORD"], 0, 2)).toHaveLength(2);
  expect(only.read).toEqual(["ORD 0-2", "ORD 0-2"]);
});
