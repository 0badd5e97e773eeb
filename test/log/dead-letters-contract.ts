import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type DeadLetters,
  type LetterRecord,
  maxRawBytes,
  type NewDeadLetter,
} from "../../infra/dead-letters/dead-letters.ts";
import { offset } from "../../views/cut.ts";

/** The event types of the app whose dead letters a store under test keeps. */
export const orderType = "shop.order.placed";
export const visitType = "shop.visit.begun";

export interface OpenedDeadLetters {
  readonly letters: DeadLetters;
  /** As another process finds what is there by now. */
  again(): Promise<DeadLetters>;
  close(): Promise<void>;
}

const noon = Date.parse("2001-01-31T12:00:00Z");

/** The n-th letter: each is received a second after the one before. */
export function letter(n: number, changes: Partial<NewDeadLetter> = {}): NewDeadLetter {
  const raw = Buffer.from(`letter ${n}`);
  return {
    receivedAt: new Date(noon + n * 1000).toISOString(),
    code: n % 2 === 0 ? "TIDEMARK_EVENT_NOT_JSON" : "TIDEMARK_EVENT_DATA",
    message: `why, ${n}: “ü”`,
    ...{ raw, bytes: raw.length, topic: orderType, record: null },
    ...changes,
  };
}

export function placed(n: number, partition: number, at: number): NewDeadLetter {
  return letter(n, { record: { partition, offset: offset(at), key: null } });
}

async function listed(letters: DeadLetters, query: { readonly topic?: string; readonly code?: string } = {}) {
  return (await letters.list({ limit: 1000, ...query })).letters.map(({ message }) => message);
}

const why = (n: number) => letter(n).message;

/** The laws of every store of dead letters, whatever it is made of. */
export function deadLettersContract(name: string, open: () => Promise<OpenedDeadLetters>): void {
  describe(`${name} keeps dead letters`, () => {
    let opened: OpenedDeadLetters;
    let letters: DeadLetters;

    beforeEach(async () => {
      opened = await open();
      letters = opened.letters;
    });
    afterEach(() => opened.close());

    test("an empty store holds nothing", async () => {
      expect(await letters.count()).toBe(0);
      expect(await letters.list({ limit: 10 })).toEqual({ letters: [], before: null });
      for (const id of ["1", "", "shop.order.placed@0", `${"9".repeat(30)}`]) {
        expect(await letters.get(id)).toBe(undefined);
      }
    });

    test("a letter comes back whole: raw bytes, reason, and where its record stands", async () => {
      const raw = Uint8Array.from({ length: 256 }, (_, i) => i);
      const record: LetterRecord = {
        ...{ partition: 3, offset: offset(9_000_000_000), key: "Zürich", timestampMs: noon },
        headers: { ce_id: "ü", app: "", odd: { base64: "/w==" } },
      };
      const put = [
        letter(1),
        letter(2, { topic: null, raw, bytes: 256 }),
        letter(3, { record, raw, bytes: 256 }),
      ];
      await letters.put(put);
      const found = (await letters.list({ limit: 10 })).letters;
      expect(found.map(({ id: _, raw, ...rest }) => ({ ...rest, raw: [...raw] }))).toEqual(
        put.toReversed().map((each) => ({ ...each, isReplayed: false, raw: [...each.raw] })),
      );
      for (const each of found) expect(await (await opened.again()).get(each.id)).toEqual(each);
    });

    test("raw bytes are cut to a megabyte, their length is kept", async () => {
      await letters.put([letter(0, { raw: Buffer.alloc(maxRawBytes + 1, "x"), bytes: 5_000_000 })]);
      const [kept] = (await letters.list({ limit: 1 })).letters;
      expect([kept?.raw.length, kept?.bytes]).toEqual([maxRawBytes, 5_000_000]);
    });

    test("pages hold each letter once, newest first, whatever comes meanwhile", async () => {
      const topics = [orderType, null, visitType];
      const topicOf = (n: number) => topics[n % 3] ?? null;
      for (let n = 0; n < 700; n += 100) {
        await letters.put(Array.from({ length: 100 }, (_, i) => letter(n + i, { topic: topicOf(n + i) })));
      }
      const newestFirst = Array.from({ length: 700 }, (_, i) => why(699 - i));
      expect(await listed(letters)).toEqual(newestFirst);
      const seen: string[] = [];
      for (let before: string | null | undefined; before !== null; ) {
        const page = await letters.list({ limit: 70, ...(before !== undefined && { before }) });
        seen.push(...page.letters.map(({ message }) => message));
        before = page.before;
        await letters.put([letter(1000 + seen.length)]);
        if (before !== null) expect(page.letters).toHaveLength(70);
      }
      expect(seen).toEqual(newestFirst);
      await expect(letters.list({ limit: 1, before: "yesterday" })).rejects.toMatchObject({
        code: "TIDEMARK_QUERY_PARAMETER",
      });
    });

    test("a list can be of one event type and of one code", async () => {
      await letters.put([
        letter(0),
        letter(1, { topic: visitType }),
        letter(2, { topic: visitType }),
        letter(3, { topic: null }),
      ]);
      expect(await listed(letters, { topic: visitType })).toEqual([why(2), why(1)]);
      expect(await listed(letters, { code: "TIDEMARK_EVENT_DATA" })).toEqual([why(3), why(1)]);
      expect(await listed(letters, { topic: visitType, code: "TIDEMARK_EVENT_DATA" })).toEqual([why(1)]);
      expect(await listed(letters, { topic: "shop.order.lost" })).toEqual([]);
    });

    test("a record that is put again, as after a crash, shows once; a gateway's letters always show", async () => {
      await letters.put([placed(0, 0, 5), placed(1, 1, 5), placed(2, 0, 7)]);
      const again = await opened.again();
      await again.put([placed(0, 0, 5), placed(2, 0, 7), placed(3, 0, 8), placed(1, 1, 5)]);
      await again.put([letter(4), letter(4), letter(5, { ...placed(5, 0, 5), topic: visitType })]);
      for (const store of [letters, again, await opened.again()]) {
        expect(await listed(store)).toEqual([5, 4, 4, 3, 2, 1, 0].map(why));
        expect(await store.count()).toBe(7);
      }
    });

    test("what was replayed is marked, for whoever looks", async () => {
      await letters.put([letter(0), letter(1, { topic: null }), letter(2)]);
      const [, middle, first] = (await letters.list({ limit: 10 })).letters;
      await letters.markReplayed(middle?.id ?? "");
      await letters.markReplayed(first?.id ?? "");
      await letters.put([letter(3)]);
      for (const store of [letters, await opened.again()]) {
        const marks = (await store.list({ limit: 10 })).letters.map(({ message, isReplayed }) => [
          message,
          isReplayed,
        ]);
        expect(marks).toEqual([
          [why(3), false],
          [why(2), false],
          [why(1), true],
          [why(0), true],
        ]);
        expect(await store.get(first?.id ?? "")).toEqual({ ...first, isReplayed: true });
        expect(await store.count()).toBe(4);
      }
    });

    test("puts at once from several places are all kept", async () => {
      const again = await opened.again();
      await Promise.all(
        Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? letters : again).put([letter(i), letter(i)])),
      );
      const found = (await letters.list({ limit: 1000 })).letters;
      expect(new Set(found.map(({ id }) => id)).size).toBe(100);
      expect(await letters.count()).toBe(100);
    });
  });
}
