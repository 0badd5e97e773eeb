import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { receiveBody } from "../../ingestion/body.ts";
import { systemTimer } from "../../ingestion/timer.ts";

/** How many of the body's chunks, all of which are there at once, are taken in each turn of the event loop. */
async function chunksByTurn(chunks: readonly Buffer[]): Promise<readonly number[]> {
  const body = new Readable({ read: () => undefined, highWaterMark: 1 << 24 });
  for (const chunk of [...chunks, null]) body.push(chunk);
  const byTurn = [0];
  const turn = () => {
    byTurn.push(0);
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  await receiveBody(body as IncomingMessage, { stallMs: 1_000 }, systemTimer, () => {
    byTurn.push((byTurn.pop() ?? 0) + 1);
    return undefined;
  });
  clearImmediate(next);
  return byTurn.filter((taken) => taken > 0);
}

test("of a large body a piece is taken in each turn of the event loop, so that others have theirs", async () => {
  const chunks = Array.from({ length: 6 }, () => Buffer.alloc(16 * 1024));
  expect(await chunksByTurn(chunks)).toEqual([2, 2, 2]);
});

test("a small body is taken at once", async () => {
  expect(await chunksByTurn(Array.from({ length: 6 }, () => Buffer.alloc(100)))).toEqual([6]);
});
