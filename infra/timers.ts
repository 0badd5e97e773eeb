/** Timers are an argument, so that a test can be the clock. */
export type Timers = Pick<typeof globalThis, "setTimeout" | "clearTimeout">;
