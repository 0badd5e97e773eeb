import { setImmediate } from "node:timers/promises";

const rowsPerTurn = 1_000;

/** The rows, with the thread given up now and then; ends with the signal's reason once it aborts. */
export async function* inTurns<Row>(
  rows: Iterable<Row>,
  signal: AbortSignal,
): AsyncGenerator<Row, void, undefined> {
  let taken = 0;
  for (const row of rows) {
    if (++taken % rowsPerTurn === 0) {
      await setImmediate();
      signal.throwIfAborted();
    }
    yield row;
  }
}
