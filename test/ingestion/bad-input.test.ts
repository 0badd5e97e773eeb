import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GatewayFixture, ndjson, orderText, places } from "./gateway-fixture.ts";

const json = { "content-type": "application/json" };
const cloudevent = { "content-type": "application/cloudevents+json" };

describe.each(places)("POST /v1/events, %s, refuses bad input by name", (place) => {
  let gateway: GatewayFixture;

  beforeEach(async () => {
    gateway = await GatewayFixture.open({ place });
  });
  afterEach(() => gateway.close());

  test.each([
    [
      "a wrong type",
      orderText("1", { data: { shop: "a", amount: "3" } }),
      400,
      "TIDEMARK_EVENT_DATA",
      /amount must be integer/,
    ],
    ["a missing field", orderText("1", { data: { amount: 3 } }), 400, "TIDEMARK_EVENT_DATA", /shop/],
    [
      "no data",
      orderText("1", { data: undefined }),
      400,
      "TIDEMARK_EVENT_DATA",
      /must be an object with shop: string, amount: integer, note\?: string/,
    ],
    [
      "an integer that JSON can't carry",
      orderText("1").replace(":3}", ":9007199254740993}"),
      400,
      "TIDEMARK_EVENT_DATA",
      /amount is 9007199254740992/,
    ],
    [
      "an unknown type",
      orderText("1", { type: "shop.order.lost" }),
      404,
      "TIDEMARK_EVENT_TYPE_UNKNOWN",
      /"shop.order.lost" is unknown; this app takes shop.order.placed/,
    ],
    ["no type", orderText("1", { type: undefined }), 400, "TIDEMARK_EVENT_ENVELOPE", /"type" is missing/],
    ["an empty id", orderText(""), 400, "TIDEMARK_EVENT_ENVELOPE", /"id" must be a text/],
    [
      "a time that is no time",
      orderText("1", { time: "2001-02-30T00:00:00Z" }),
      400,
      "TIDEMARK_EVENT_TIME",
      /"2001-02-30T00:00:00Z", which is no time: give RFC 3339/,
    ],
    ["an event that is no object", `"hello"`, 400, "TIDEMARK_EVENT_ENVELOPE", /an event is a JSON object/],
    [
      "half a surrogate pair",
      orderText("1").replace('"a"', String.raw`"\ud800"`),
      400,
      "TIDEMARK_EVENT_NOT_UTF8",
      /half of a surrogate pair/,
    ],
    [
      "an event of 2 MB",
      orderText("1", { data: { shop: "a", amount: 1, note: "x".repeat(2e6) } }),
      413,
      "TIDEMARK_EVENT_TOO_LARGE",
      /is of 2000\d+ bytes; an event may be of 1048576 at most/,
    ],
  ])("%s, alone: its own code", async (_what, text, status, code, words) => {
    const answer = await gateway.post(text);
    expect(answer).toMatchObject({
      status,
      body: { status, code, accepted: 0, rejectedCount: 1, type: `urn:tidemark:error:${code}` },
    });
    expect(answer.headers["content-type"]).toContain("application/problem+json");
    expect(answer.body.detail).toMatch(words);
    expect(answer.body.rejected).toEqual([{ index: 0, code, message: answer.body.detail }]);
    const [letter] = (await gateway.deadLetters.list({ limit: 10 })).letters;
    expect(letter).toMatchObject({
      code,
      message: answer.body.detail,
      bytes: Buffer.byteLength(text),
      receivedAt: "2001-01-31T12:00:00.000Z",
    });
    expect(Buffer.from(letter?.raw ?? []).toString()).toBe(text.slice(0, 65_536));
    expect(await gateway.stored()).toEqual([]);
  });

  test("broken JSON in line 3 of a stream: that line is rejected with its index, the others are accepted", async () => {
    const lines = [orderText("0"), orderText("1"), orderText("2"), `{"id":"3", broken`, orderText("4")];
    const answer = await gateway.post(lines.join("\n"), ndjson);
    expect(answer).toMatchObject({
      status: 202,
      body: { accepted: 4, rejectedCount: 1, rejected: [{ index: 3, code: "TIDEMARK_EVENT_NOT_JSON" }] },
    });
    expect(answer.body.rejected[0].message).toMatch(/^not JSON: /);
    expect(await gateway.stored()).toEqual(lines.filter((_, i) => i !== 3));
    expect(Buffer.from((await gateway.deadLetters.list({ limit: 1 })).letters[0]?.raw ?? []).toString()).toBe(
      lines[3],
    );
  });

  test("an array with good and bad events: each bad one by its index", async () => {
    const body = `[${[orderText("0"), orderText("1", { time: "noon" }), "7", orderText("3")].join(",")}]`;
    expect(await gateway.post(body)).toMatchObject({
      status: 202,
      body: {
        accepted: 2,
        rejected: [
          { index: 1, code: "TIDEMARK_EVENT_TIME" },
          { index: 2, code: "TIDEMARK_EVENT_ENVELOPE" },
        ],
      },
    });
  });

  test("a batch of which every event is bad is one problem that lists them; the first 1,000", async () => {
    const answer = await gateway.post("{}\n".repeat(1500), ndjson, "?type=shop.order.lost");
    expect(answer).toMatchObject({
      status: 400,
      body: { code: "TIDEMARK_INGEST_ALL_REJECTED", accepted: 0, rejectedCount: 1500, position: "" },
    });
    expect(answer.body.rejected).toHaveLength(1000);
    expect(answer.body.detail).toMatch(
      /none of the 1500 events was accepted; the first, at index 0: event type/,
    );
    expect(await gateway.deadLetters.count()).toBe(1500);
  });

  test.each([
    ["broken JSON", "{", json, /the body is not JSON: /],
    ["an empty body", "", json, /the body is empty/],
    ["an array as a structured CloudEvent", "[]", cloudevent, /application\/cloudevents-batch\+json/],
    [
      "an object as a batch",
      "{}",
      { "content-type": "application/cloudevents-batch+json" },
      /is an array of events/,
    ],
    [
      "broken data of a binary CloudEvent",
      `1}, "id": {`,
      { ...json, "ce-specversion": "1.0", "ce-id": "1" },
      /the body is not JSON/,
    ],
  ])("%s is TIDEMARK_INGEST_BODY", async (_what, body, headers, words) => {
    const answer = await gateway.post(body, headers);
    expect(answer).toMatchObject({ status: 400, body: { code: "TIDEMARK_INGEST_BODY", accepted: 0 } });
    expect(answer.body.detail).toMatch(words);
  });

  test.each([
    ["text/csv", { "content-type": "text/csv" }],
    ["none", {}],
    ["a malformed one", { "content-type": "json" }],
    ["another charset", { "content-type": "application/json; charset=utf-16" }],
    ["a compressed body", { ...ndjson, "content-encoding": "gzip" }],
  ])("the content type %s is refused, naming those that are taken", async (_what, headers) => {
    const answer = await gateway.post(orderText("1"), headers as Record<string, string>);
    expect(answer).toMatchObject({ status: 415, body: { code: "TIDEMARK_INGEST_MEDIA_TYPE" } });
    expect(answer.body.detail).toContain("application/json, application/x-ndjson");
    expect(answer.body.detail).toContain("application/cloudevents-batch+json");
  });

  test("an unknown parameter is refused, naming those that there are", async () => {
    expect(await gateway.post(orderText("1"), json, "?sourec=x")).toMatchObject({
      status: 400,
      body: {
        code: "TIDEMARK_QUERY_PARAMETER_UNKNOWN",
        detail: 'there is no parameter "sourec"; the parameters are source and type',
      },
    });
  });

  test("a parameter given twice is refused", async () => {
    expect(await gateway.post(orderText("1"), json, "?type=a&type=b")).toMatchObject({
      status: 400,
      body: { code: "TIDEMARK_QUERY_PARAMETER" },
    });
  });

  test.each([json, ndjson, cloudevent])(
    "bytes that are not UTF-8 are refused, as %o too",
    async (headers) => {
      const text = orderText("1", { specversion: "1.0", data: { shop: "?", amount: 1 } });
      const bytes = Buffer.from(text);
      bytes[bytes.indexOf("?")] = 0xff;
      const answer = await gateway.post(bytes, headers);
      expect(answer.body.rejected).toMatchObject([{ code: "TIDEMARK_EVENT_NOT_UTF8" }]);
      expect((await gateway.deadLetters.list({ limit: 1 })).letters[0]?.raw.subarray(0, text.length)).toEqual(
        bytes.subarray(0, text.length),
      );
    },
  );

  test("a U+FFFD that was sent as such is text like any other", async () => {
    expect((await gateway.post(orderText("\ufffd"), ndjson)).status).toBe(202);
  });

  test("a CloudEvent without specversion, or of another version, is refused", async () => {
    expect((await gateway.post(orderText("1"), cloudevent)).body).toMatchObject({
      code: "TIDEMARK_EVENT_ENVELOPE",
      detail: expect.stringContaining('"specversion" is missing'),
    });
    expect((await gateway.post(orderText("1", { specversion: "0.3" }), cloudevent)).body).toMatchObject({
      code: "TIDEMARK_EVENT_ENVELOPE",
      detail: '"specversion" must be "1.0"',
    });
  });

  test.each([
    [{ "ce-source": "/100%" }, /header "ce-source" is not percent-encoded/],
    [{ "ce-source": "/s", "ce-data": "x" }, /header "ce-data" can't name an attribute/],
    [{ "ce-source": "/s", "ce-my_ext": "x" }, /header "ce-my_ext" can't name an attribute/],
  ])("binary headers %o are refused, and kept with the body", async (headers, words) => {
    const answer = await gateway.post(`{"shop":"a","amount":1}`, {
      ...{ ...json, "ce-specversion": "1.0", "ce-id": "1", "ce-type": "shop.order.placed" },
      ...(headers as Record<string, string>),
    });
    expect(answer).toMatchObject({
      status: 400,
      body: { code: "TIDEMARK_EVENT_ENVELOPE", detail: expect.stringMatching(words) },
    });
    const [letter] = (await gateway.deadLetters.list({ limit: 1 })).letters;
    const kept = Buffer.from(letter?.raw ?? []).toString();
    for (const [name, value] of Object.entries(headers)) expect(kept).toContain(`${name}: ${value}\r\n`);
    expect(kept).toMatch(/content-type: application\/json\r\n/);
    expect(kept.endsWith(`\r\n\r\n{"shop":"a","amount":1}`)).toBe(true);
  });
});
