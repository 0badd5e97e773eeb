import type { IncomingMessage } from "node:http";
import { setImmediate as letOthersRun } from "node:timers/promises";
import { TidemarkError } from "../views/errors.ts";
import type { IngestionLimits } from "./limits.ts";
import type { Timer } from "./timer.ts";

/** The client went away before its body was whole: nobody is left to answer. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}

/** What is taken of a body before everybody else has a turn: more may have come than is read in some milliseconds. */
const bytesPerTurn = 32 * 1024;

/**
 * Hands a body's chunks to `take` as they arrive; while a promise that it gives is pending nothing is read from the
 * socket. Rejects with what `take` throws, with what `failed` rejects with, with TIDEMARK_INGEST_STALLED after a pause, or
 * with ClientGone. Once it has settled, what is left of the body flows away unread.
 */
export function receiveBody(
  body: IncomingMessage,
  { stallMs }: Pick<IngestionLimits, "stallMs">,
  timer: Timer,
  take: (chunk: Buffer) => Promise<void> | undefined,
  failed?: Promise<never>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let stall = timer(stallMs, stalled);

    let taken = 0;
    let isSettled = false;

    function settle(end: () => void): void {
      if (isSettled) return;
      isSettled = true;
      stall[Symbol.dispose]();
      body.off("data", onData).off("end", onEnd).off("close", onClose);
      body.resume();
      end();
    }
    function fail(reason: unknown): void {
      settle(() => reject(reason));
    }
    function stalled(): void {
      fail(
        new TidemarkError(
          "TIDEMARK_INGEST_STALLED",
          `the body paused for ${stallMs} ms before its end: send it without pauses, or in several requests`,
        ),
      );
    }
    function onData(chunk: Buffer): void {
      stall[Symbol.dispose]();
      let busy: Promise<void> | undefined;
      try {
        taken += chunk.length;
        busy = take(chunk) ?? (taken >= bytesPerTurn ? letOthersRun() : undefined);
      } catch (failure) {
        fail(failure);
        return;
      }
      if (busy === undefined) {
        stall = timer(stallMs, stalled);
        return;
      }
      taken = 0;
      // Our own slowness is no stall of the client's.
      body.pause();
      busy.then(() => {
        if (isSettled) return;
        if (body.destroyed && !body.complete) return onClose();
        stall = timer(stallMs, stalled);
        body.resume();
      }, fail);
    }
    function onEnd(): void {
      settle(resolve);
    }
    function onClose(): void {
      fail(new ClientGone("the client closed the connection in the middle of its body"));
    }

    failed?.catch(fail);
    body.on("data", onData).on("end", onEnd).on("close", onClose);
  });
}
