/** Calls back once after so many milliseconds, unless disposed of before. */
export type Timer = (afterMs: number, run: () => void) => Disposable;

export const systemTimer: Timer = (afterMs, run) => {
  const timeout = setTimeout(run, afterMs);
  return { [Symbol.dispose]: () => clearTimeout(timeout) };
};
