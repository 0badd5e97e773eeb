import { describe, expect, test } from "vitest";
import type { LogRecord, RecordHeaders } from "../../infra/log/log.ts";
import { maxRecordBytes, RecordReader } from "../../infra/log/record-reader.ts";
import { offset } from "../../views/cut.ts";
import { defineEvent, Type } from "../../views/index.ts";

const order = defineEvent({
  name: "shop.order.placed",
  schema: Type.Object({ shop: Type.String(), amount: Type.Integer() }),
  key: (f) => f.shop,
});
/** Of which any object is one. */
const loose = defineEvent({
  name: "shop.note.taken",
  schema: Type.Object({ shop: Type.Optional(Type.String()), amount: Type.Optional(Type.Integer()) }),
});
/** Whose own fields look like an envelope. */
const audit = defineEvent({
  name: "shop.audit.written",
  schema: Type.Object({ type: Type.String(), data: Type.Object({ shop: Type.Optional(Type.String()) }) }),
});

const noon = Date.parse("2001-01-31T12:00:00Z");
const bare = { shop: "a", amount: 3 };
const envelope = {
  specversion: "1.0",
  id: "1",
  source: "/till",
  type: order.name,
  time: "2001-01-31T08:15:00Z",
  data: bare,
};
const binary = {
  ce_specversion: "1.0",
  ce_id: "1",
  ce_source: "/till",
  ce_type: order.name,
  ce_time: "2001-01-31T08:15:00Z",
  "content-type": "application/json",
};

interface Put {
  readonly value: unknown;
  readonly headers?: RecordHeaders;
  readonly key?: string;
  readonly timestampMs?: number | undefined;
}

/** The record at partition 2, offset 7. A value that is no text is put as JSON; headers come back as bytes. */
function record({ value, headers, key = undefined, timestampMs = noon }: Put): LogRecord {
  const bytes = value instanceof Uint8Array ? value : Buffer.from(asText(value));
  const packed = Object.entries(headers ?? {}).map(([name, text]) => [name, Buffer.from(text)]);
  return {
    ...{ offset: offset(7), key: key ?? null, value: bytes, timestampMs },
    headers: headers === undefined ? undefined : Object.fromEntries(packed),
  };
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function read(put: Put, type = order) {
  const reader = new RecordReader(type as typeof order, 2);
  const { event, rest } = reader.archived(record(put));
  expect(reader.event(record(put))).toEqual(event);
  return { ...event, rest: rest === null ? null : JSON.parse(rest) };
}

function refusal(put: Put, type = order): string {
  try {
    read(put, type);
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code}: ${message}`;
  }
  return "taken";
}

const told = { id: "1", source: "/till", type: order.name, time: noon - 13_500_000, key: "a", data: bare };
/** What the log says of a record that says nothing of itself. */
const named = {
  ...{ id: "shop.order.placed@2:7", source: "tidemark:log/shop.order.placed", type: order.name, time: noon },
  ...{ key: "a", data: bare, rest: null },
};
const { specversion: _, ...plain } = envelope;
const structured = { "content-type": "application/cloudevents+json; charset=UTF-8" };

describe("a record's envelope", () => {
  test.each<[string, Put]>([
    ["structured, with its content type", { value: envelope, headers: structured }],
    ["structured, without headers", { value: envelope }],
    ["structured, without a specversion, as a gateway takes it", { value: plain }],
    [
      "structured, under a content type of JSON",
      { value: envelope, headers: { "content-type": "application/json" } },
    ],
    ["binary", { value: bare, headers: binary }],
    [
      "binary, without a content type",
      { value: bare, headers: { ...binary, "content-type": "application/JSON" } },
    ],
  ])("%s, is the same event", (_form, put) => {
    expect(read(put)).toMatchObject(told);
  });

  test.each<[string, Put]>([
    ["bare", { value: bare }],
    ["bare, with a content type", { value: bare, headers: { "content-type": "application/json" } }],
    ["binary, with no more than its version", { value: bare, headers: { ce_specversion: "1.0" } }],
    ["structured, with no more than its data", { value: { data: bare } }],
  ])("%s: what is missing is the topic's name, the record's place and its time", (_form, put) => {
    expect(read(put)).toEqual(named);
  });

  test("a source that is given stays, and an id that is given stays", () => {
    const { ce_id, ce_source, ...others } = binary;
    expect(read({ value: bare, headers: { ...others, ce_source } })).toMatchObject({
      id: named.id,
      source: "/till",
    });
    expect(read({ value: bare, headers: { ...others, ce_id } })).toMatchObject({
      id: "1",
      source: named.source,
    });
  });

  test("of an object that could be anything, what looks like an envelope is never taken for data", () => {
    for (const value of [
      { id: "1", source: "s", data: bare },
      { type: loose.name, id: "1" },
      { specversion: "1.0", id: "1" },
      { data: 5 },
    ]) {
      const found = refusal({ value }, loose as never);
      if (found === "taken") expect(read({ value }, loose as never).data).toEqual(bare);
      else expect(found).toMatch(/^TIDEMARK_EVENT_DATA: /);
    }
    expect(read({ value: { id: "1", shop: "a" } }, loose as never)).toMatchObject({ data: { shop: "a" } });
  });

  test("a type that has a field data is bare without an envelope's other signs, and binary says so outright", () => {
    const value = { type: "login", data: { shop: "a" } };
    expect(read({ value }, audit as never).data).toEqual(value);
    const whole = { type: audit.name, data: value };
    expect(read({ value: whole }, audit as never).data).toEqual(value);
    const look = { specversion: "1.0", ...value };
    expect(refusal({ value: look }, audit as never)).toMatch(/^TIDEMARK_EVENT_TYPE_UNKNOWN: .*"login"/);
    expect(read({ value: look, headers: { ce_specversion: "1.0" } }, audit as never).data).toEqual(look);
  });

  test("without any time there is no event", () => {
    for (const timestampMs of [undefined, -1, 1e17]) {
      const put = { ...record({ value: bare }), timestampMs };
      expect(() => new RecordReader(order, 2).event(put)).toThrow(
        expect.objectContaining({
          code: "TIDEMARK_EVENT_TIME",
          message: expect.stringContaining("no timestamp"),
        }),
      );
    }
    expect(read({ value: envelope, timestampMs: -1 })).toMatchObject(told);
  });
});

describe("the master dataset's rest", () => {
  test("holds extension attributes, headers, and a key that the event does not have", () => {
    const headers = { ...binary, ce_traceparent: "00-1", app: "till-7", raw: Uint8Array.of(0xff) };
    const { rest } = read({ value: '{"shop":"a", "amount":3.0, "more":1}', headers, key: "k" });
    expect(rest).toEqual({
      ...{ specversion: "1.0", id: "1", source: "/till", type: order.name, time: envelope.time },
      ...{ traceparent: "00-1", datacontenttype: "application/json", data: { ...bare, more: 1 } },
      ...{ _headers: { app: "till-7", raw: { base64: "/w==" } }, _key: "k" },
    });
  });

  test("is the envelope as it was sent, to the digit, with what was added in front", () => {
    const value = ' { "id":"1",\n"data":{"shop":"a","amount":3.0},"x":1e2 }';
    const { rest } = new RecordReader(order, 2).archived(record({ value, key: "a" }));
    expect(rest).toBe(
      `{"type":"${order.name}","source":"${named.source}","time":"2001-01-31T12:00:00.000Z", "id":"1",\n"data":{"shop":"a","amount":3.0},"x":1e2 }`,
    );
  });

  test.each<[string, Put]>([
    ["what a gateway writes", { value: envelope, key: "a" }],
    ["bare data of declared fields", { value: bare, key: "a" }],
    ["binary without extensions", { value: bare, headers: binary }],
    ["structured by its content type", { value: envelope, headers: structured }],
  ])("is not needed for %s", (_form, put) => {
    expect(read(put).rest).toBe(null);
  });

  test("read again, is the same event", () => {
    const headers = { ...binary, ce_traceparent: "00-1", app: "till-7" };
    for (const put of [
      { value: bare, headers },
      { value: { ...bare, more: 1 } },
      { value: { ...envelope, x: 1 } },
    ]) {
      const { rest, ...event } = read(put, order);
      expect(read({ value: rest, timestampMs: -1 })).toMatchObject(event);
    }
  });
});

describe("a record is no event, by name, if it is", () => {
  const cyrillic = Buffer.from([0x22, 0xcf, 0xf0, 0x22]);
  test.each<[string, Put, RegExp]>([
    ["a tombstone", { value: "" }, /^TIDEMARK_EVENT_EMPTY: the record has no value/],
    ["garbage", { value: "not JSON" }, /^TIDEMARK_EVENT_NOT_JSON: /],
    ["an array of events", { value: [envelope] }, /^TIDEMARK_EVENT_ENVELOPE: .*not an array/],
    ["no object", { value: 5 }, /^TIDEMARK_EVENT_ENVELOPE: .*not 5/],
    ["bytes that are no UTF-8", { value: cyrillic }, /^TIDEMARK_EVENT_NOT_UTF8: /],
    [
      "too large",
      { value: `{"x":"${"x".repeat(maxRecordBytes)}"}` },
      /^TIDEMARK_EVENT_TOO_LARGE: .*of 4194312 bytes/,
    ],
    [
      "bare, with a field of a wrong type",
      { value: { ...bare, amount: "3" } },
      /^TIDEMARK_EVENT_DATA: .*amount must be integer/,
    ],
    ["bare, without a field", { value: { shop: "a" } }, /^TIDEMARK_EVENT_DATA: .*amount/],
    [
      "structured, of another type",
      { value: { ...envelope, type: "shop.order.lost" } },
      /^TIDEMARK_EVENT_TYPE_UNKNOWN: .*"shop.order.lost", and topic shop.order.placed/,
    ],
    [
      "binary, of another type",
      { value: bare, headers: { ...binary, ce_type: "shop.order.lost" } },
      /^TIDEMARK_EVENT_TYPE_UNKNOWN: /,
    ],
    [
      "structured, with a type that is no text",
      { value: { ...envelope, type: 5 } },
      /^TIDEMARK_EVENT_ENVELOPE: "type" must be a text/,
    ],
    [
      "structured, with a time that is none",
      { value: { ...envelope, time: "noon" } },
      /^TIDEMARK_EVENT_TIME: /,
    ],
    ["structured, without data", { value: { ...envelope, data: undefined } }, /^TIDEMARK_EVENT_DATA: /],
    [
      "of another version",
      { value: bare, headers: { ...binary, ce_specversion: "0.3" } },
      /^TIDEMARK_EVENT_ENVELOPE: "specversion" must be "1.0"/,
    ],
    [
      "half binary",
      { value: bare, headers: { ce_id: "1" } },
      /^TIDEMARK_EVENT_ENVELOPE: header "ce_specversion" is missing/,
    ],
    [
      "binary, with what names no attribute",
      { value: bare, headers: { ...binary, ce_Id: "1" } },
      /^TIDEMARK_EVENT_ENVELOPE: header "ce_Id" can't name/,
    ],
    [
      "binary, not in JSON",
      { value: bare, headers: { ...binary, "content-type": "application/avro" } },
      /^TIDEMARK_EVENT_ENVELOPE: "datacontenttype" must be JSON/,
    ],
    [
      "bare, not in JSON",
      { value: bare, headers: { "content-type": "text/plain" } },
      /^TIDEMARK_EVENT_ENVELOPE: "datacontenttype" must be JSON/,
    ],
    [
      "structured, not in JSON",
      { value: envelope, headers: { "content-type": "application/cloudevents+avro" } },
      /^TIDEMARK_EVENT_ENVELOPE: content-type application\/cloudevents\+avro is not taken/,
    ],
    [
      "several in one",
      { value: [envelope], headers: { "content-type": "application/cloudevents-batch+json" } },
      /^TIDEMARK_EVENT_ENVELOPE: /,
    ],
    [
      "binary, with a header that is no UTF-8",
      { value: bare, headers: { ...binary, ce_id: cyrillic } },
      /^TIDEMARK_EVENT_NOT_UTF8: header "ce_id"/,
    ],
    [
      "bare, with half a surrogate pair",
      { value: String.raw`{"shop":"\ud800","amount":3}` },
      /^TIDEMARK_EVENT_NOT_UTF8: /,
    ],
  ])("%s", (_what, put, reason) => {
    expect(refusal(put)).toMatch(reason);
  });
});
