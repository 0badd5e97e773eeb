import { expect, test } from "vitest";
import { freeMemory } from "../../infra/free-memory.ts";

test("memory that is freed is gone at once, and a piece of what others have stays", async () => {
  // The port's other end has to be closed.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 1_000; i++) {
    const bytes = new Uint8Array(64 * 1024);
    freeMemory(bytes);
    expect(bytes.length).toBe(0);
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
  const pool = new Uint8Array(16).fill(7);
  freeMemory(pool.subarray(0, 8));
  expect([...pool]).toEqual(Array.from({ length: 16 }, () => 7));
});
