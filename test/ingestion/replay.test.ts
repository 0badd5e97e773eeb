import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LetterRecord, NewDeadLetter } from "../../infra/dead-letters/dead-letters.ts";
import { offset } from "../../views/cut.ts";
import { ada, change, orderChanges } from "../changes/orders.ts";
import { order, orderText } from "./gateway-fixture.ts";
import { ReplayFixture } from "./replay-fixture.ts";

let fixture: ReplayFixture;

beforeEach(async () => {
  fixture = await ReplayFixture.open();
});
afterEach(() => fixture.close());

const data = { shop: "a", amount: 3 };
const record = (changes: Partial<LetterRecord> = {}): LetterRecord => ({
  ...{ partition: 1, offset: offset(7), key: null, timestampMs: Date.parse("2001-01-31T08:15:00Z") },
  ...changes,
});

describe("POST /v1/dead-letters/{id}/replay", () => {
  test("hands in what was sent, as it was sent, and marks the letter", async () => {
    const id = await fixture.keep(orderText("1"));
    expect(await fixture.replay(id)).toMatchObject({
      status: 202,
      body: { id, position: expect.stringMatching(/^shop\.order\.placed@\d:1$/) },
    });
    expect(await fixture.stored()).toEqual([JSON.parse(orderText("1"))]);
    expect(await fixture.letters.get(id)).toMatchObject({ isReplayed: true });
    expect(await fixture.replay(id)).toMatchObject({
      status: 409,
      body: { code: "TIDEMARK_DEAD_LETTER_REPLAYED" },
    });
    expect(await fixture.stored()).toHaveLength(1);
  });

  test("a record is handed in with what its headers, its topic and its place say", async () => {
    const headers = { ce_specversion: "1.0", ce_id: "9", ce_traceparent: "00-1", app: "till" };
    await fixture.replay(await fixture.keep(JSON.stringify(data), { record: record() }));
    await fixture.replay(
      await fixture.keep(JSON.stringify(data), { record: record({ headers, offset: offset(8) }) }),
    );
    const [bare, binary] = await fixture.stored();
    const told = {
      type: order.name,
      source: "tidemark:log/shop.order.placed",
      time: "2001-01-31T08:15:00.000Z",
    };
    expect(bare).toEqual({ ...told, id: "shop.order.placed@1:7", data });
    expect(binary).toEqual({
      ...{ ...told, id: "9", specversion: "1.0", traceparent: "00-1", data },
      _headers: { app: "till" },
    });
  });

  test("a change of a table is handed in under the name that it gives itself, wherever it came from", async () => {
    const sent = change("u", 100, { after: ada });
    const text = JSON.stringify(sent);
    // Of a table that was not declared then no type is known.
    for (const topic of [orderChanges.name, null]) await fixture.replay(await fixture.keep(text, { topic }));
    await fixture.replay(await fixture.keep(text, { topic: orderChanges.name, record: record() }));
    const envelope = {
      ...{ type: "shop.public.orders", id: '100/u/{"id":7}', source: "/debezium/postgresql/shop" },
      ...{ time: "2024-05-01T12:00:00.100Z", data: sent },
    };
    expect(await fixture.stored()).toEqual([envelope, envelope, envelope]);
  });

  test("what an event lacks is made of the letter, so that it is the same at any time", async () => {
    const id = await fixture.keep(JSON.stringify({ data }));
    await fixture.replay(id);
    expect(await fixture.stored()).toEqual([
      ...[{ type: order.name, id: "dead-letter-1", source: "/http", time: "2001-01-31T12:00:00.000Z", data }],
    ]);
  });

  test.each<[string, string | Buffer, Partial<NewDeadLetter>, number, string]>([
    ["not valid yet", orderText("1", { data: {} }), {}, 400, "TIDEMARK_EVENT_DATA"],
    [
      "of a type that is still unknown",
      orderText("1", { type: "shop.order.lost" }),
      { topic: null },
      404,
      "TIDEMARK_EVENT_TYPE_UNKNOWN",
    ],
    [
      "several events in one record",
      `[${orderText("1")}]`,
      { record: record() },
      400,
      "TIDEMARK_EVENT_ENVELOPE",
    ],
    ["an array that came by HTTP", `[${orderText("1")}]`, {}, 400, "TIDEMARK_EVENT_ENVELOPE"],
    ["no UTF-8", Buffer.from([0xff]), {}, 400, "TIDEMARK_EVENT_NOT_UTF8"],
    ["cut", orderText("1"), { bytes: 2_000_000 }, 409, "TIDEMARK_DEAD_LETTER_CUT"],
  ])(
    "says why what is %s stays a dead letter, and makes no other of it",
    async (_what, raw, changes, status, code) => {
      const id = await fixture.keep(raw, changes);
      expect(await fixture.replay(id)).toMatchObject({ status, body: { code } });
      expect(await fixture.letters.get(id)).toMatchObject({ isReplayed: false });
      expect([await fixture.letters.count(), await fixture.stored()]).toEqual([1, []]);
    },
  );

  test("an id that there is not is refused by name", async () => {
    expect(await fixture.replay("7")).toMatchObject({
      status: 404,
      body: { code: "TIDEMARK_DEAD_LETTER_UNKNOWN" },
    });
  });
});
