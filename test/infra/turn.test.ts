import { expect, test } from "vitest";
import { ownTurn } from "../../infra/turn.ts";

test("who asks gets a turn of the event loop of their own, in the order of asking", async () => {
  let turn = 0;
  let counting = setImmediate(function count() {
    turn++;
    counting = setImmediate(count);
  });
  const taken: { readonly name: string; readonly turn: number }[] = [];
  const asked = ["a", "b", "c"].map(async (name) => {
    for (const round of [1, 2]) {
      await ownTurn();
      taken.push({ name: `${name}${round}`, turn });
    }
  });
  await Promise.all(asked);
  clearImmediate(counting);
  expect(taken.map(({ name }) => name)).toEqual(["a1", "b1", "c1", "a2", "b2", "c2"]);
  expect(new Set(taken.map((each) => each.turn)).size).toBe(taken.length);
});
