import type { Manifest } from "../infra/generations/generations.ts";
import type { SealRequest } from "../infra/tail/tail.ts";
import type { Timers } from "../infra/timers.ts";
import { type Cut, offset, offsetAt } from "../views/cut.ts";
import type { EventType } from "../views/event.ts";

/** What came of asking the speed layer to seal. */
export type Sealing =
  | { readonly kind: "sealed"; readonly position: Cut }
  | { readonly kind: "unsealed"; readonly reason: string };

/** Asks for a seal and waits for it no longer than `withinMs`. A speed layer that can't seal never fails a run. */
export async function sealWithin(seal: SealRequest, withinMs: number, timers: Timers): Promise<Sealing> {
  let timer: ReturnType<Timers["setTimeout"]> | undefined;
  const stop = new AbortController();
  const late = new Promise<Sealing>((resolve) => {
    const reason = `the speed layer did not seal within ${withinMs} ms`;
    timer = timers.setTimeout(() => resolve({ kind: "unsealed", reason }), withinMs);
  });
  try {
    return await Promise.race([ask(seal, stop.signal), late]);
  } finally {
    timers.clearTimeout(timer);
    stop.abort();
  }
}

async function ask(seal: SealRequest, signal: AbortSignal): Promise<Sealing> {
  try {
    const position = await seal.seal(signal);
    return position === undefined
      ? { kind: "unsealed", reason: "the speed layer could not seal" }
      : { kind: "sealed", position };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: "unsealed", reason: `the speed layer could not seal: ${message}` };
  }
}

/**
 * The cut of a run: every partition of every event type, nowhere behind a generation that serves
 * already, nor behind what is to be erased.
 */
export function runCut(
  events: readonly EventType[],
  reached: Cut,
  current: readonly (Pick<Manifest, "cut"> | undefined)[],
): Cut {
  const cuts = [reached, ...current.flatMap((manifest) => (manifest === undefined ? [] : [manifest.cut]))];
  return Object.fromEntries(
    events.map(({ name, partitions }) => [
      name,
      Array.from({ length: partitions }, (_, partition) =>
        offset(Math.max(...cuts.map((cut) => offsetAt(cut, name, partition)))),
      ),
    ]),
  );
}
