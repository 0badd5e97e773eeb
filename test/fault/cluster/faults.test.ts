import { afterAll, beforeAll, expect, test } from "vitest";
import * as faults from "./faults.ts";
import { Stage } from "./stage.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({
    seed: 4,
    events: 60_000,
    say: (text) => process.env.FAULTS_SAY && console.log(text),
  });
}, 120_000);

afterAll(() => stage?.[Symbol.asyncDispose]());

test("processes of every role are killed: each is replaced, and every answer stays exact", async () => {
  await stage.survive("kill each role", faults.killEachRole);
}, 180_000);

test("after all that no run has drifted, time never ran backwards for a reader, and verify finds nothing", async () => {
  await stage.end();
  expect(stage.reader.changes).toBeGreaterThan(10);
}, 60_000);
