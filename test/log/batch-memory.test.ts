import { expect, test } from "vitest";
import { BatchMemory } from "../../infra/log/batch-memory.ts";

test("what is given for one commit lies apart, and is given again for the next", () => {
  const memory = new BatchMemory(100);
  const [first, second] = [memory.allocate(40).fill(1), memory.allocate(60).fill(2)];
  expect([...new Set(first), ...new Set(second)]).toEqual([1, 2]);
  memory.reclaim();
  memory.allocate(100).fill(3);
  expect([...new Set(first), ...new Set(second)]).toEqual([3, 3]);
});

test("what does not fit is not kept", () => {
  const memory = new BatchMemory(100);
  memory.allocate(60);
  const large = memory.allocate(50).fill(1);
  memory.reclaim();
  memory.allocate(100).fill(2);
  expect(new Set(large)).toEqual(new Set([1]));
});

test("what somebody may still look at is never given again", () => {
  const memory = new BatchMemory(100);
  const written = memory.allocate(100).fill(1);
  memory.abandon();
  memory.allocate(100).fill(2);
  expect(new Set(written)).toEqual(new Set([1]));
});
