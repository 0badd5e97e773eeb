import { expect, test } from "vitest";
import * as faults from "./faults.ts";
import { Stage } from "./stage.ts";

test("of three brokers one is killed: events, answers and runs go on without it, and nothing acknowledged is lost", async () => {
  const stage = await Stage.open({
    ...{ seed: 3, events: 20_000, brokers: 3 },
    processes: { speed: 1, serving: 2 },
  });
  try {
    await stage.survive("kill one of three brokers", faults.killBroker);
    await stage.end();
    expect(stage.reader.changes).toBeGreaterThan(10);
  } finally {
    await stage[Symbol.asyncDispose]();
  }
}, 300_000);
