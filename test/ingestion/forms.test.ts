import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GatewayFixture, ndjson, order, orderText, places } from "./gateway-fixture.ts";

describe.each(places)("POST /v1/events, %s, takes events in every form", (place) => {
  let gateway: GatewayFixture;

  beforeEach(async () => {
    gateway = await GatewayFixture.open({ place });
  });
  afterEach(() => gateway.close());

  test("one event as JSON is stored byte for byte, and the answer says where", async () => {
    const text = `  { "id": "1", "source":"/s", "type":"${order.name}", "time":"2001-01-31T08:15:00+01:00",\n "data": {"shop":"a","amount":1.0, "extra": 12345678901234567890}}`;
    const answer = await gateway.post(text);
    expect(answer).toMatchObject({ status: 202, body: { accepted: 1, rejected: [], rejectedCount: 0 } });
    expect(answer.body.position).toMatch(/^shop\.order\.placed@[01]:1$/);
    expect(await gateway.stored()).toEqual([text]);
  });

  test("an array's events are stored as they were sent, each on its own", async () => {
    const texts = [
      orderText("1", { data: { shop: "a", amount: 1, note: 'brackets ]}", and then \\' } }),
      orderText("2", { data: { shop: "a", amount: 2, more: [[], {}, [1, "]"]] } }),
      `{"id":"3", "source":"/é", "type":"${order.name}","time":"2001-01-31T08:15:00Z","data":{"shop":"a","amount":1e2}}`,
    ];
    const answer = await gateway.post(`[ ${texts.join(" ,\n")} ]`);
    expect(answer).toMatchObject({ status: 202, body: { accepted: 3 } });
    expect(await gateway.stored()).toEqual(texts);
  });

  test("an empty array is accepted: nothing was wrong with any of its events", async () => {
    expect(await gateway.post("[]")).toMatchObject({ status: 202, body: { accepted: 0, position: "" } });
  });

  test.each(["application/x-ndjson", "application/ndjson", "application/jsonl; charset=utf-8"])(
    "%s: lines are stored as they were sent, blank ones skipped, the last one without a newline counted",
    async (type) => {
      const lines = [orderText("1"), orderText("2", { source: "/zürich/🛬" }), orderText("3")];
      const body = `\n${lines[0]}\r\n  \n${lines[1]}\n\n${lines[2]}`;
      const answer = await gateway.post(body, { "content-type": type });
      expect(answer).toMatchObject({ status: 202, body: { accepted: 3, rejectedCount: 0 } });
      expect(await gateway.stored()).toEqual(lines);
      expect((await gateway.events()).map(({ source }) => source)).toEqual([
        "/till/1",
        "/zürich/🛬",
        "/till/1",
      ]);
    },
  );

  test("where a stream is cut into chunks changes nothing", async () => {
    const lines = [orderText("1"), orderText("2", { source: "/zürich/🛬" }), orderText("3")];
    const body = Buffer.from(`${lines.join("\n")}\n`);
    async function* bytes() {
      for (let at = 0; at < body.length; at += 7) {
        yield body.subarray(at, at + 7);
        await new Promise(setImmediate);
      }
    }
    expect(await gateway.post(bytes(), ndjson)).toMatchObject({ status: 202, body: { accepted: 3 } });
    expect(await gateway.stored()).toEqual(lines);
  });

  test("a plain event may lack id, source, type and time; what was sent stays as it was", async () => {
    const answer = await gateway.post(
      `{"data": {"shop":"a","amount":1.50e1}}`,
      { "content-type": "application/json" },
      `?source=/till/7&type=${order.name}`,
    );
    expect(answer.status).toBe(202);
    expect(await gateway.stored()).toEqual([
      `{"id":"new-1","source":"/till/7","type":"${order.name}","time":"2001-01-31T12:00:00.000Z","data": {"shop":"a","amount":1.50e1}}`,
    ]);
  });

  test("the source of a plain event without one is /http", async () => {
    await gateway.post(orderText("1", { source: undefined }), ndjson);
    expect((await gateway.stored()).map((text) => JSON.parse(text).source)).toEqual(["/http"]);
  });

  test("a structured CloudEvent and a batch of them are stored as they were sent", async () => {
    const event = orderText("1", { specversion: "1.0", comexampleextension: "x" });
    const one = await gateway.post(event, { "content-type": "application/cloudevents+json; charset=UTF-8" });
    const many = await gateway.post(`[${event},${event}]`, {
      "content-type": "application/cloudevents-batch+json",
    });
    expect([one.status, many.status]).toEqual([202, 202]);
    expect(await gateway.stored()).toEqual([event, event, event]);
  });

  test("a binary CloudEvent keeps its extensions and its data's digits; header values are percent-decoded", async () => {
    const answer = await gateway.post(`{"shop":"a","amount":7.0}`, {
      "content-type": "application/json",
      "ce-specversion": "1.0",
      "ce-id": "1",
      "ce-source": "/z%C3%BCrich%20%E2%82%AC",
      "ce-type": order.name,
      "ce-time": "2001-01-31T08:15:00Z",
      "ce-traceparent": "00-4bf9",
      "ce-partitionkey": "b",
    });
    expect(answer).toMatchObject({ status: 202, body: { accepted: 1 } });
    const [text = ""] = await gateway.stored();
    expect(text).toContain(`"data":{"shop":"a","amount":7.0}`);
    expect(JSON.parse(text)).toEqual({
      ...{ specversion: "1.0", id: "1", source: "/zürich €", type: order.name, time: "2001-01-31T08:15:00Z" },
      ...{ traceparent: "00-4bf9", partitionkey: "b", datacontenttype: "application/json" },
      data: { shop: "a", amount: 7 },
    });
  });

  test("records go to the partition of their key, which partitionkey overrides", async () => {
    const keys = Array.from({ length: 20 }, (_, i) => `shop-${i}`);
    await gateway.post(keys.map((shop) => orderText("1", { data: { shop, amount: 1 } })).join("\n"), ndjson);
    const spread = await gateway.log.nexts(order.name);
    expect(Math.min(...spread)).toBeGreaterThan(0);
    await gateway.post(
      keys.map((shop) => orderText("1", { data: { shop, amount: 1 }, partitionkey: "k" })).join("\n"),
      ndjson,
    );
    const after = await gateway.log.nexts(order.name);
    expect(after.map((next, p) => next - (spread[p] ?? 0)).sort()).toEqual([0, 20]);
  });

  test("duplicates are ordinary records: the log keeps every one", async () => {
    const lines = Array.from({ length: 1000 }, (_, i) => orderText(`${i % 20 === 19 ? i - 1 : i}`));
    expect(await gateway.post(lines.join("\n"), ndjson)).toMatchObject({
      status: 202,
      body: { accepted: 1000 },
    });
    expect(await gateway.stored()).toHaveLength(1000);
  });

  test("the position answered is where the next record of each partition will be", async () => {
    const { body } = await gateway.post(
      [orderText("1"), orderText("2", { partitionkey: "shop-3" })].join("\n"),
      ndjson,
    );
    const nexts = await gateway.log.nexts(order.name);
    const parts = nexts.map((next, p) => `${p}:${next}`).filter((part) => !part.endsWith(":0"));
    expect(body.position.split("@")[1].split(",").sort()).toEqual(parts);
  });
});
