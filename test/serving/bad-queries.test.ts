import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { count, defineEvent, defineView, Type } from "../../views/index.ts";
import { byMachine, stateOf } from "./measured.ts";
import { type Serving, settled, startServing } from "./serving.ts";

const timeless = defineView({
  name: "timeless",
  from: defineEvent({ name: "test.thing.seen", schema: Type.Object({ what: Type.String() }), partitions: 1 }),
  by: (f) => ({ what: f.what }),
  measures: () => ({ seen: count() }),
});

let serving: Serving;
beforeAll(async () => {
  serving = startServing([byMachine, timeless]);
  await settled();
});
afterAll(() => serving[Symbol.asyncDispose]());

const rows = "/v1/views/by-machine/rows";
const many = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${name}=${i}`).join("&");

describe("what can't be answered is refused with a status, a code and words that help", () => {
  test.each([
    [
      "/v1/views/nothing/rows",
      404,
      "VIEW_UNKNOWN",
      `there is no view "nothing"; there are by-machine, timeless`,
    ],
    [
      `${rows}?colour=red`,
      400,
      "PARAMETER_UNKNOWN",
      'dimensions of view "by-machine" as filters: site, unit, label, isOn',
    ],
    [`${rows}?hour=2001-01-01`, 400, "PARAMETER_UNKNOWN", "chosen by time with from and to"],
    [`${rows}?differing=true`, 400, "PARAMETER_UNKNOWN", `there is no parameter "differing"`],
    ["/v1/views/by-machine/compare?layer=batch", 400, "PARAMETER_UNKNOWN", `there is no parameter "layer"`],
    [
      `${rows}?groupBy=site,colour`,
      400,
      "DIMENSION_UNKNOWN",
      `no dimension "colour"; it has site, unit, label, isOn, hour`,
    ],
    [
      `${rows}?measures=records,weight`,
      400,
      "MEASURE_UNKNOWN",
      `no measure "weight"; it has records, total, average, least, most`,
    ],
    [`${rows}?measures=`, 400, "PARAMETER", "measures is empty: name some of records"],
    [
      `${rows}?orderBy=weight`,
      400,
      "PARAMETER",
      `no column "weight"; they can be ordered by site, unit, label, isOn, hour, records`,
    ],
    [
      `${rows}?groupBy=site&orderBy=hour`,
      400,
      "PARAMETER",
      `no column "hour"; they can be ordered by site, records`,
    ],
    [`${rows}?orderBy=site,-site`, 400, "PARAMETER", `names "site" twice`],
    [`${rows}?groupBy=site,site`, 400, "PARAMETER", `groupBy names "site" twice`],
    [`${rows}?limit=0`, 400, "PARAMETER", "from 1 to 100000"],
    [`${rows}?limit=100001`, 400, "PARAMETER", "from 1 to 100000"],
    [`${rows}?limit=ten`, 400, "PARAMETER", "from 1 to 100000"],
    [`${rows}?limit=1&limit=2`, 400, "PARAMETER", "limit is given twice"],
    [`${rows}?layer=both`, 400, "PARAMETER", "give one of merged, batch, speed"],
    [`${rows}?tz=Europe/Berlin`, 400, "PARAMETER", "leave tz out or give UTC"],
    [`${rows}?timeout=40s`, 400, "PARAMETER", "at most 30s"],
    [`${rows}?unit=seven`, 400, "PARAMETER", "give a whole number, or null"],
    [`${rows}?isOn=null`, 400, "PARAMETER", "give true or false"],
    [`${rows}?label=%22open`, 400, "PARAMETER", "text in JSON quotes, or null"],
    [`${rows}?site:like=a`, 400, "PARAMETER_UNKNOWN", "stands one of from, to, prefix, not"],
    [`${rows}?colour:prefix=a`, 400, "PARAMETER_UNKNOWN", `there is no parameter "colour:prefix"`],
    [`${rows}?hour:from=2001-01-01`, 400, "PARAMETER_UNKNOWN", "chosen by time with from and to"],
    [`${rows}?unit:from=seven`, 400, "PARAMETER", 'unit:from="seven" is no value'],
    [`${rows}?unit:from=null`, 400, "PARAMETER", "null lies in no range; unit:not=null is any value"],
    [`${rows}?label:to=null`, 400, "PARAMETER", `the word is written "null" in JSON quotes`],
    [`${rows}?unit:from=1&unit:from=2`, 400, "PARAMETER", "unit:from is given twice"],
    [`${rows}?unit:from=9&unit:to=3`, 400, "PARAMETER", "unit:from=9 is after unit:to=3"],
    [`${rows}?isOn:from=true`, 400, "PARAMETER", "give isOn=true or false"],
    [`${rows}?unit:prefix=1`, 400, "PARAMETER", "give unit:from and unit:to"],
    [`${rows}?label:prefix=%22a`, 400, "PARAMETER", "is no text in JSON quotes"],
    [`${rows}?isOn:not=maybe`, 400, "PARAMETER", "give true or false"],
    [`${rows}?${many("site", 1_001)}`, 400, "PARAMETER", "site is given more than 1000 values"],
    [`${rows}?${many("site:not", 1_001)}`, 400, "PARAMETER", "site:not is given more than 1000 values"],
    [`${rows}?${many("site:prefix", 101)}`, 400, "PARAMETER", "site:prefix is given more than 100 values"],
    [`${rows}?fill=linear`, 400, "PARAMETER", "give one of zero, null, previous"],
    [`${rows}?fill=zero&groupBy=site`, 400, "FILL", `"hour" is not in groupBy`],
    [`${rows}?fill=zero&granularity=all`, 400, "FILL", "rows of this query have no time"],
    ["/v1/views/timeless/rows?fill=zero", 400, "FILL", "has no window"],
    ["/v1/views/by-machine/compare?fill=zero", 400, "PARAMETER_UNKNOWN", `there is no parameter "fill"`],
    [`${rows}?totals=yes`, 400, "PARAMETER", "give one of true, false"],
    [`${rows}?format=ndjson&limit=1000001`, 400, "PARAMETER", "from 1 to 1000000"],
    [`${rows}?after=yesterday`, 400, "PARAMETER", "expected TOPIC@PARTITION:OFFSET"],
    [
      `${rows}?after=test.machine.gone@0:1`,
      400,
      "PARAMETER",
      "there are test.machine.measured, test.thing.seen",
    ],
    [`${rows}?after=test.machine.measured@2:1`, 400, "PARAMETER", "has partitions 0 to 1, no 2"],
    [`${rows}?from=2001-01-02&to=2001-01-01`, 400, "RANGE", "is after to=2001-01-01"],
    [
      `${rows}?from=2001-01-01T10:20:00Z`,
      400,
      "RANGE",
      "2001-01-01T10:00:00.000Z and 2001-01-01T11:00:00.000Z",
    ],
    [`${rows}?to=-1`, 400, "RANGE", "1969-12-31T23:00:00.000Z and 1970-01-01T00:00:00.000Z"],
    [`${rows}?from=2001-02-30`, 400, "RANGE", "is no time: give RFC 3339"],
    [`${rows}?from=2001-01-01T00:00:00+01:00`, 400, "RANGE", `"+" is written %2B`],
    ["/v1/views/timeless/rows?from=2001-01-01", 400, "RANGE", "has no window"],
    ["/v1/views/timeless/rows?granularity=1d", 400, "GRANULARITY", "has no window"],
    [`${rows}?granularity=90m`, 400, "GRANULARITY", `a multiple of that such as "1h", "1d"`],
    [`${rows}?granularity=month`, 400, "GRANULARITY", "panes of 1h"],
    [`${rows}?granularity=all&groupBy=hour`, 400, "GRANULARITY", "leave it out of groupBy"],
    [`${rows}?granularity=1d&groupBy=site`, 400, "GRANULARITY", "which groupBy leaves out"],
    [`${rows}?cursor=nonsense`, 400, "CURSOR", "is no cursor"],
    [`${rows}?layer=batch`, 409, "NO_GENERATION", "start a run with POST /v1/batch/runs"],
    ["/v1/views/by-machine/compare", 409, "NO_GENERATION", "start a run with POST /v1/batch/runs"],
    [
      `${rows}?after=test.machine.measured@0:9&timeout=1ms`,
      504,
      "AFTER",
      'was not covered within 1 ms; view "by-machine" is at test.machine.measured@0:0,1:0',
    ],
  ])("%s", async (url, status, code, words) => {
    const { body, ...answer } = await serving.get(url);
    expect({ ...answer, code: body.code }).toEqual({ status, code: `TIDEMARK_QUERY_${code}` });
    expect(body.detail).toContain(words);
  });

  test("a cursor of another query", async () => {
    const measured = { site: "a", unit: 1, label: null, isOn: true, hour: 0, value: 1 };
    const many = ["a", "b", "c"].map((site) => stateOf({ ...measured, site }));
    serving.tail.put(byMachine, [{ partition: 0, from: 0, next: 3, rows: many }]);
    const { body } = await serving.get(`${rows}?limit=1`);
    expect(body.rows).toHaveLength(1);
    const next = await serving.get(`${rows}?limit=2&cursor=${body.cursor}`);
    expect(next.body.rows.map((row: { site: string }) => row.site)).toEqual(["b", "c"]);
    const other = await serving.get(`${rows}?limit=1&orderBy=-site&cursor=${body.cursor}`);
    expect(other.body).toMatchObject({ status: 400, code: "TIDEMARK_QUERY_CURSOR" });
    expect(other.body.detail).toContain("belongs to another query");
  });
});
