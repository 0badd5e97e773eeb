import { setTimeout as pause } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { TidemarkError } from "../views/errors.ts";

declare module "fastify" {
  interface FastifyInstance {
    /** Whether the server was told to end. */
    readonly ending: { isOn: boolean };
  }
}

/** How long whoever asks again and again gets to hear that it is not ready, and how long requests in hand may take. */
export interface DrainTimes {
  readonly noticeMs: number;
  readonly withinMs: number;
}

/**
 * Of routes added after this: from `drain` on `/readyz` is refused with TIDEMARK_NOT_READY, so that nobody new
 * is sent here; everything else is answered.
 */
export function registerDrain(server: FastifyInstance): void {
  const ending: FastifyInstance["ending"] = { isOn: false };
  server.decorate("ending", ending);
  server.addHook("onRoute", (route) => {
    if (route.url !== "/readyz") return;
    route.onRequest = (_request, _reply, done) =>
      done(
        ending.isOn
          ? new TidemarkError("TIDEMARK_NOT_READY", "this process is ending: ask another")
          : undefined,
      );
  });
}

/** Ends a server: says so first, answers what is in hand, and cuts off what takes longer. */
export async function drain(server: FastifyInstance, { noticeMs, withinMs }: DrainTimes): Promise<void> {
  server.ending.isOn = true;
  if (noticeMs > 0) await pause(noticeMs);
  const late = setTimeout(() => server.server.closeAllConnections(), withinMs);
  try {
    await server.close();
  } finally {
    clearTimeout(late);
  }
}

const withinMs = 10_000;
const longestNoticeMs = 60_000;

/** Reads TIDEMARK_DRAIN_NOTICE_MS: how long senders take to notice that `/readyz` is refused. Throws TIDEMARK_CONFIG. */
export function drainTimes({
  TIDEMARK_DRAIN_NOTICE_MS: text = "0",
}: Readonly<Record<string, string | undefined>>): DrainTimes {
  const noticeMs = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (noticeMs <= longestNoticeMs) return { noticeMs, withinMs };
  throw new TidemarkError(
    "TIDEMARK_CONFIG",
    `TIDEMARK_DRAIN_NOTICE_MS must be whole milliseconds from 0 to ${longestNoticeMs}, not "${text.slice(0, 100)}"`,
  );
}
