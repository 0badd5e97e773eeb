/** What is being made, unless the signal aborts before: then its reason, and what comes later is disposed of. */
export async function unlessAborted<T extends Disposable>(
  making: Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      reject(signal.reason);
      making.then((made) => made[Symbol.dispose]()).catch(() => undefined);
    };
    if (signal.aborted) return giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    making.finally(() => signal.removeEventListener("abort", giveUp)).then(resolve, reject);
  });
}
