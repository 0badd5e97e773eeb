import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { Progress } from "../../cli/progress.ts";

function terminal(isInteractive: boolean) {
  const err = new PassThrough();
  const clock = { ms: 0 };
  return {
    clock,
    written: () => String(err.read() ?? ""),
    terminal: { out: new PassThrough(), err, isInteractive, environment: {}, now: () => clock.ms },
  };
}

test("where nobody watches, a line comes every five seconds and nothing in between", () => {
  const { clock, written, terminal: sober } = terminal(false);
  const progress = new Progress(sober, "ingest", 200);
  progress.update(10, "early");
  expect(written()).toBe("");
  clock.ms = 5_000;
  progress.update(50, "a quarter");
  progress.update(51, "at once");
  expect(written()).toBe("ingest 25 %  a quarter\n");
  clock.ms = 10_000;
  progress.update(100, "half");
  expect(written()).toBe("ingest 50 %  half\n");
  progress.note("by the way");
  expect(written()).toBe("by the way\n");
  progress[Symbol.dispose]();
  expect(written()).toBe("");
});

test("a share is named only of a total that is known", () => {
  const { clock, written, terminal: sober } = terminal(false);
  const progress = new Progress(sober, "ingest", 0);
  clock.ms = 5_000;
  progress.update(123, "some");
  expect(written()).toBe("ingest  some\n");
});
