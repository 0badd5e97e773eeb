import { expect, test } from "vitest";
import { sourceOf } from "../../batch-layer/source.ts";
import type { MasterFile } from "../../infra/master/master.ts";
import { offset } from "../../views/cut.ts";
import { defineEvent, Type } from "../../views/index.ts";

const event = defineEvent({
  name: "test.thing.seen",
  schema: Type.Object({ at: Type.Integer() }),
  partitions: 2,
});
const file = (partition: number, from: number, next: number): MasterFile => ({
  topic: event.name,
  partition,
  from: offset(from),
  next: offset(next),
  path: `${partition}:${from}-${next}`,
});
const files = [file(0, 0, 10), file(0, 10, 20), file(1, 0, 5)];
const cut = (...nexts: number[]) => ({ [event.name]: nexts.map(offset) });

test("only a file that reaches past the cut is filtered, one behind the cut is not read", () => {
  expect(sourceOf(event, files, cut(15, 5))).toMatchObject({
    covered: ["0:0-10", "1:0-5"],
    straddling: [{ path: "0:10-20", next: 15 }],
  });
  expect(sourceOf(event, files, cut(10, 0))).toMatchObject({ covered: ["0:0-10"], straddling: [] });
  expect(sourceOf(event, files, cut(1, 0))).toMatchObject({
    covered: [],
    straddling: [{ path: "0:0-10", next: 1 }],
  });
  expect(sourceOf(event, files, cut(15, 0), cut(3, 0))).toMatchObject({
    covered: [],
    straddling: [
      { path: "0:0-10", from: 3, next: 10 },
      { path: "0:10-20", next: 15 },
    ],
    records: 12,
  });
  expect(sourceOf(event, files, cut(15, 0), cut(12, 0))).toMatchObject({
    covered: [],
    straddling: [{ path: "0:10-20", from: 12, next: 15 }],
    records: 3,
  });
  const nothing = { covered: [], straddling: [], records: 0 };
  expect(sourceOf(event, files, cut(10, 0), cut(10, 0))).toMatchObject(nothing);
  expect(sourceOf(event, files, {})).toMatchObject({ covered: [], straddling: [] });
});

test("a cut that the files do not reach is an error that says where they end", () => {
  expect(() => sourceOf(event, files, cut(20, 6))).toThrow(
    expect.objectContaining({
      code: "TIDEMARK_STORE_GAP",
      message: expect.stringMatching(/test\.thing\.seen\/1 up to 5.* at 6/),
    }),
  );
});
