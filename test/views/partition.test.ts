import { expect, test } from "vitest";
import { murmur2, partitionOf } from "../../views/partition.ts";

test("murmur2 gives the hashes that Kafka's own tests pin", () => {
  const known = new Map([
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ]);
  for (const [text, hash] of known) expect(murmur2(new TextEncoder().encode(text)), text).toBe(hash);
});

test("a key's partition is its hash without the sign, modulo the count", () => {
  expect(partitionOf("21", 4)).toBe((-973932308 & 0x7fffffff) % 4);
  expect(partitionOf("ключ 🔑", 1)).toBe(0);
});
