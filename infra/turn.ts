const waiting: (() => void)[] = [];

function give(): void {
  const resume = waiting.shift();
  if (waiting.length > 0) setImmediate(give);
  resume?.();
}

/**
 * Resolves in a turn of the event loop that nobody else has who asks here, in the order of asking. `setImmediate` gives all who
 * asked before one and the same turn, so that requests wait for the work of them all.
 */
export function ownTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(give);
  });
}
