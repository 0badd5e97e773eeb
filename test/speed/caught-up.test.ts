import { expect, test } from "vitest";
import { caughtUp } from "../../speed-layer/caught-up.ts";
import { nextsOf, Running } from "./running.ts";
import { placesByHour, type Visit } from "./visits.ts";

const made = Array.from(
  { length: 2_000 },
  (_, i): Visit => ({ id: String(i), place: String(i), time: 0, stay: 1 }),
);

test("all that the log holds is waited for", async () => {
  const running = await Running.start();
  try {
    for (const partition of [0, 1]) await running.append(partition, made);
    expect(nextsOf(running.tail.position(placesByHour))).not.toEqual(running.nexts);
    await caughtUp({ tail: running.speed.tail, log: running.log, withinMs: 30_000 });
    expect(nextsOf(running.tail.position(placesByHour))).toEqual(running.nexts);
  } finally {
    await running.end();
  }
});

test("a fold that can't go on is waited for as long as is said, and no longer", async () => {
  const running = await Running.start({ entries: 10 });
  try {
    await running.append(0, made);
    await caughtUp({ tail: running.speed.tail, log: running.log, withinMs: 50 });
    expect(nextsOf(running.tail.position(placesByHour))[0]).toBeLessThan(made.length);
  } finally {
    await running.end();
  }
});
