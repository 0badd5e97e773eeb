import { setTimeout as pause } from "node:timers/promises";
import { TidemarkError } from "../views/errors.ts";
import type { StatusAnswer } from "./answers.ts";
import type { Client } from "./client.ts";
import { countRecords } from "./provenance.ts";
import { paint, type Terminal } from "./terminal.ts";

/** Records a second since the look before: that came, by topic, and that were folded, by view. */
export interface Rates {
  readonly topics: Readonly<Record<string, number>>;
  readonly views: Readonly<Record<string, number>>;
}

export interface Watch {
  readonly terminal: Terminal;
  readonly client: Pick<Client, "status">;
  /** Ends it, which is no failure. */
  readonly signal: AbortSignal;
  readonly everyMs: number;
  readonly show: (status: StatusAnswer, rates: Rates | undefined) => void;
}

interface Look {
  readonly status: StatusAnswer;
  readonly atMs: number;
}

/**
 * Shows the status again and again until the signal aborts; on a terminal each look takes the place of the one before. A server
 * that was there and does not answer is asked again; one that never did is a failure.
 */
export async function watchStatus({ terminal, client, signal, everyMs, show }: Watch): Promise<void> {
  let before: Look | undefined;
  while (!signal.aborted) {
    try {
      const look = { status: await client.status(), atMs: terminal.now() };
      clear(terminal);
      show(look.status, before && ratesOf(before, look));
      before = look;
    } catch (error) {
      if (signal.aborted) return;
      if (before === undefined || !(error instanceof TidemarkError && error.canRetry)) throw error;
      terminal.err.write(`${paint(terminal, "yellow", `${error.code}: ${error.message}`)}\n`);
    }
    await pause(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Home, then everything from there on is gone. */
function clear({ out }: Terminal): void {
  if ((out as Partial<NodeJS.WriteStream>).isTTY === true) out.write("\u001b[H\u001b[J");
}

/** Undefined for what can't be told: the first look, another server, a clock that stood still. */
function ratesOf(before: Look, now: Look): Rates | undefined {
  const ms = now.atMs - before.atMs;
  if (ms <= 0 || now.status.uptimeMs < before.status.uptimeMs) return undefined;
  const rate = (from: number, to: number) => Math.max(0, Math.round(((to - from) * 1_000) / ms));
  return {
    topics: Object.fromEntries(
      Object.entries(now.status.log).map(([topic, { nexts }]) => [
        topic,
        rate(totalOf(before.status.log[topic]?.nexts ?? nexts), totalOf(nexts)),
      ]),
    ),
    views: Object.fromEntries(
      Object.entries(now.status.views).map(([name, { position }]) => [
        name,
        rate(countRecords(before.status.views[name]?.position ?? position), countRecords(position)),
      ]),
    ),
  };
}

export function totalOf(nexts: readonly number[]): number {
  return nexts.reduce((sum, next) => sum + next, 0);
}
