import { expect, test } from "vitest";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import { count, defineEvent, defineView, Type, tumbling } from "../../views/index.ts";
import { settled, startServing } from "./serving.ts";

const seen = defineEvent({
  name: "test.page.seen",
  schema: Type.Object({ host: Type.String() }),
  partitions: 1,
});
const days = defineView({
  name: "days",
  from: seen,
  by: (f) => ({ host: f.host, day: tumbling("1d", { tz: "America/Chicago" }) }),
  measures: () => ({ seen: count() }),
});

function stored(times: readonly string[]) {
  const segment = new TailSegment(days, 0, offset(0));
  const events = times.map((time) => ({
    ...{ id: "1", source: "s", type: seen.name, key: "k", time: Date.parse(time), data: { host: "a" } },
  }));
  compileFold(days)(segment, events, 0);
  return segment.sortedRows();
}

test("days of a zone are shown, chosen and compared by their first instant, on whichever side of the cut", async () => {
  await using serving = startServing([days]);
  const batch = stored(["2024-03-10T05:59:59Z", "2024-03-10T06:00:00Z", "2024-03-12T12:00:00Z"]);
  const since = stored(["2024-03-11T04:59:59Z", "2024-03-11T05:00:00Z"]);
  serving.tail.put(days, [{ partition: 0, from: 3, next: 5, rows: since }]);
  serving.generations.add(days, "g-1", { [seen.name]: [3] } as never, batch);
  await serving.generations.point(days.name, "g-1");
  await settled();
  const rows = async (search: string) => (await serving.get(`/v1/views/days/rows?${search}`)).body;
  const all = [
    { host: "a", day: "2024-03-09T06:00:00.000Z", seen: 1 },
    { host: "a", day: "2024-03-10T06:00:00.000Z", seen: 2 },
    { host: "a", day: "2024-03-11T05:00:00.000Z", seen: 1 },
    { host: "a", day: "2024-03-12T05:00:00.000Z", seen: 1 },
  ];
  expect((await rows("")).rows).toEqual(all);
  expect((await rows("host=a&granularity=1d")).rows).toEqual(all);
  expect((await rows("from=2024-03-10T06:00:00Z&to=2024-03-12T05:00:00Z")).rows).toEqual(all.slice(1, 3));
  expect((await rows("granularity=all")).rows).toEqual([{ host: "a", seen: 5 }]);
  const { code, detail } = await rows("from=2024-03-10");
  expect(code).toBe("TIDEMARK_QUERY_RANGE");
  expect(detail).toContain("2024-03-09T06:00:00.000Z and 2024-03-10T06:00:00.000Z");
  expect((await rows("granularity=2d")).code).toBe("TIDEMARK_QUERY_GRANULARITY");
  const { body } = await serving.get("/v1/views/days/compare?orderBy=-day&limit=2");
  expect(
    body.rows.map(({ day, batch, merged }: Record<string, unknown>) => ({ day, batch, merged })),
  ).toEqual([
    { day: "2024-03-12T05:00:00.000Z", batch: { seen: 1 }, merged: { seen: 1 } },
    { day: "2024-03-11T05:00:00.000Z", batch: null, merged: { seen: 1 } },
  ]);
  expect((await serving.get("/v1/views/days")).body.window).toEqual({
    ...{ name: "day", kind: "calendar", width: "1d", tz: "America/Chicago" },
  });
});
