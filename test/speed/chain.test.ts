import { expect, test } from "vitest";
import { Chain } from "../../infra/tail/chain.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import { offset } from "../../views/cut.ts";
import { visits } from "./visits.ts";

test("that a chain has jumped is told before what is put before it: who is told keeps that", () => {
  const view = visits.views[0];
  if (view === undefined) throw new Error("the app has no views");
  const chain = new Chain(view, 0, offset(23));
  chain.takeChanges();
  chain.jump(offset(30));
  const before = new TailSegment(view, 0, offset(0), offset(30));
  before.seal();
  expect(chain.addPrefix(before)).toBe(true);
  chain.advance(offset(35));
  expect(chain.takeChanges()?.segments.map(({ segment }) => segment.from)).toEqual([30, 0]);
});
