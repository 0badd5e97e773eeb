import { expect, test } from "vitest";
import { RecordReader } from "../../infra/log/record-reader.ts";
import { formatTime } from "../../views/time.ts";
import { GatewayFixture, order } from "../ingestion/gateway-fixture.ts";
import { type Block, eventsPage, shownRecord } from "./events-page.ts";

const page = await eventsPage();

test("every block of the page is of a kind that is run, or is shown only", () => {
  const kinds = /^(ts|sh|sh kcat|json (sent [a-z+/]+|record|event|refused [A-Z0-9_]+))$/;
  expect(page.filter(({ kind }) => !kinds.test(kind))).toEqual([]);
  for (const kind of ["json sent", "json record", "json event", "json refused", "sh kcat"]) {
    expect(page.some((block) => block.kind.startsWith(kind))).toBe(true);
  }
});

test.each(blocks("json sent"))("what the page sends as $kind is accepted", async ({ kind, body }) => {
  const gateway = await GatewayFixture.open();
  try {
    const answer = await gateway.post(body, { "content-type": kind.replace("json sent ", "") });
    expect(answer).toMatchObject({ status: 202, body: { rejected: [] } });
    expect(answer.body.accepted).toBe([JSON.parse(body)].flat().length);
  } finally {
    await gateway.close();
  }
});

test("the records on the page are the event that follows them", () => {
  let records: string[] = [];
  for (const { kind, body } of page) {
    if (kind === "json record") records.push(body);
    if (kind !== "json event") continue;
    expect(records).not.toEqual([]);
    for (const each of records) {
      const { partition, record } = shownRecord(each);
      const { id, source, time, data } = new RecordReader(order, partition).event(record);
      expect({ id, source, time: formatTime(time), data }).toEqual(JSON.parse(body));
    }
    records = [];
  }
  expect(records).toEqual([]);
});

test.each(blocks("json refused"))("what the page says is $kind is", ({ kind, body }) => {
  const { partition, record } = shownRecord(body);
  const code = kind.replace("json refused ", "");
  expect(() => new RecordReader(order, partition).event(record)).toThrow(expect.objectContaining({ code }));
});

function blocks(kind: string): readonly Block[] {
  return page.filter((block) => block.kind.startsWith(kind));
}
