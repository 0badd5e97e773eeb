import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { offset } from "../../views/cut.ts";
import { orderText } from "../ingestion/gateway-fixture.ts";
import { ReplayFixture } from "../ingestion/replay-fixture.ts";
import { tidemark } from "./stand-in.ts";

const record = {
  partition: 1,
  offset: offset(17),
  key: "k",
  headers: { ce_id: "9", odd: { base64: "/w==" } },
};
const garbage = Buffer.from([0xff, 0xfe, 0x1b]);

let server: ReplayFixture;

beforeEach(async () => {
  server = await ReplayFixture.open();
  await server.keep(orderText("1"));
  await server.keep('{"shop":"a"}\u001b[2J', { topic: null, code: "TIDEMARK_EVENT_TYPE_UNKNOWN" });
  await server.keep(garbage, { record, code: "TIDEMARK_EVENT_NOT_UTF8", message: "no UTF-8" });
});
afterEach(() => server.close());

describe("dead-letter", () => {
  test.each(["list", "show", "replay"])("%s says how it is used, with examples", async (command) => {
    const { code, out } = await tidemark(undefined, "dead-letter", command, "--help");
    expect(code).toBe(0);
    expect(out).toContain(`Usage: tidemark dead-letter ${command} `);
    expect(out).toContain("--json");
    expect(out).toContain(`$ tidemark dead-letter ${command}`);
  });

  test("list shows them as a table, newest first, without their control characters", async () => {
    const { code, out, err } = await tidemark(server, "dead-letter", "list");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toBe(
      `${[
        "id  received at       event type         record  code                         replayed  bytes  begins",
        "──  ────────────────  ─────────────────  ──────  ───────────────────────────  ────────  ─────  ─────────────────────────────────────────────────",
        " 3  2001-01-31 12:00  shop.order.placed  1:17    TIDEMARK_EVENT_NOT_UTF8                    3  base64 //4b",
        ' 2  2001-01-31 12:00  –                  –       TIDEMARK_EVENT_TYPE_UNKNOWN               16  {"shop":"a"}\\u001b[2J',
        ' 1  2001-01-31 12:00  shop.order.placed  –       TIDEMARK_EVENT_DATA                      117  {"id":"1","source":"/till/1","type":"shop.order.…',
      ].join("\n")}\n`,
    );
  });

  test("list goes on where a page ended, and takes an event type and a code", async () => {
    const first = await tidemark(server, "dead-letter", "list", "--limit", "2");
    const before = /--before '(.*?)'/.exec(first.err)?.[1] ?? "";
    const second = await tidemark(server, "dead-letter", "list", "--before", before, "--json");
    expect(JSON.parse(second.out).deadLetters.map(({ id }: { id: string }) => id)).toEqual(["1"]);
    const some = await tidemark(
      server,
      "dead-letter",
      "list",
      "--topic",
      "shop.order.placed",
      "--code",
      "TIDEMARK_EVENT_DATA",
      "--json",
    );
    expect(JSON.parse(some.out).deadLetters.map(({ id }: { id: string }) => id)).toEqual(["1"]);
    const none = await tidemark(server, "dead-letter", "list", "--code", "TIDEMARK_EVENT_TIME");
    expect(none.out).toBe("no dead letters\n");
  });

  test("show has all of it: reason, place, key, headers and bytes", async () => {
    const { code, out } = await tidemark(server, "dead-letter", "show", "3");
    expect(code).toBe(0);
    expect(out.split("\n").map((line) => line.replace(/ +/g, " "))).toEqual([
      ...["id 3", "received at 2001-01-31T12:00:00.000Z", "reason TIDEMARK_EVENT_NOT_UTF8: no UTF-8"],
      ...["event type shop.order.placed", "record partition 1, offset 17", "key k", "header ce_id 9"],
      ...["header odd base64 /w==", "replayed no", "sent 3 B, no UTF-8, in base64:", "", "//4b", ""],
    ]);
    const text = await tidemark(server, "dead-letter", "show", "2");
    expect(text.out).toContain('\n\n{"shop":"a"}\\u001b[2J\n');
    expect(JSON.parse((await tidemark(server, "dead-letter", "show", "1", "--json")).out)).toMatchObject({
      ...{ id: "1", text: orderText("1"), base64: Buffer.from(orderText("1")).toString("base64") },
    });
    const gone = await tidemark(server, "dead-letter", "show", "9");
    expect([gone.code, gone.err]).toEqual([1, expect.stringMatching(/^TIDEMARK_DEAD_LETTER_UNKNOWN: /)]);
  });

  test("replay of one sends it; a second time is refused by name", async () => {
    const { code, out } = await tidemark(server, "dead-letter", "replay", "1");
    expect([code, out]).toEqual([0, "1 dead letter replayed\n"]);
    expect(await server.stored()).toEqual([JSON.parse(orderText("1"))]);
    const again = await tidemark(server, "dead-letter", "replay", "1");
    expect([again.code, again.out]).toEqual([1, expect.stringContaining("TIDEMARK_DEAD_LETTER_REPLAYED")]);
  });

  test("replay --all sends what is an event by now, oldest first, and says why the others stay", async () => {
    await server.keep(orderText("2"));
    const { code, out, err } = await tidemark(server, "dead-letter", "replay", "--all");
    expect(code).toBe(1);
    expect(out).toMatch(
      /^2 dead letters replayed\n\nid {2}code .*\n─.*\n 2 {2}TIDEMARK_EVENT_.*\n 3 {2}TIDEMARK_EVENT_NOT_UTF8 .*\n$/,
    );
    expect(err).toMatch(
      /^TIDEMARK_CLIENT_REJECTED: 2 of 4 dead letters can't be replayed; they stay as they were\n$/,
    );
    expect((await server.stored()).map((event) => (event as { id: string }).id)).toEqual(["1", "2"]);
    expect(await server.letters.count()).toBe(4);
    const rest = await tidemark(server, "dead-letter", "replay", "--all", "--code", "TIDEMARK_EVENT_DATA");
    expect([rest.code, rest.out]).toEqual([0, "0 dead letters replayed\n"]);
  });

  test.each([["neither"], ["both", "1", "--all"]])(
    "replay wants ids or --all, not %s",
    async (_what, ...args) => {
      const { code, err } = await tidemark(server, "dead-letter", "replay", ...args);
      expect([code, err]).toEqual([2, expect.stringContaining("give the ids of letters, or --all")]);
    },
  );
});
