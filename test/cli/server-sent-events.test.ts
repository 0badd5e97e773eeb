import fc from "fast-check";
import { expect, test } from "vitest";
import { readServerSentEvents } from "../../infra/server-sent-events.ts";

const text = `: a comment\n\nevent: progress\ndata: {"über":1}\n\ndata:first\ndata: second\r\n\r\nid: 7\n\ndata: ümlaut\n\ndata: never ended\n`;

async function* pieces(bytes: Uint8Array, cuts: readonly number[]) {
  let from = 0;
  for (const cut of [...new Set(cuts)].sort((a, b) => a - b)) {
    yield bytes.subarray(from, cut);
    from = cut;
  }
  yield bytes.subarray(from);
}

test("events come out whole however the network cuts their bytes", async () => {
  const bytes = new TextEncoder().encode(text);
  const cuts = fc.array(fc.nat(bytes.length), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(cuts, async (cuts) => {
      const events = [];
      for await (const event of readServerSentEvents(pieces(bytes, cuts))) events.push(event);
      expect(events).toEqual([
        { event: "progress", data: '{"über":1}', id: undefined },
        { event: "message", data: "first\nsecond", id: undefined },
        { event: "message", data: "ümlaut", id: "7" },
      ]);
    }),
    { numRuns: 200 },
  );
});
