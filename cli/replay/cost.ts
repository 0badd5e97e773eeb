/** What a piece of work took of this process, which does nothing else meanwhile. */
export interface Cost {
  readonly wallMs: number;
  /** Of all threads, in user code and in the system. */
  readonly cpuMs: number;
}

export async function measured<T>(now: () => number, work: () => Promise<T>): Promise<[T, Cost]> {
  const [startedAt, before] = [now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return [result, { wallMs: now() - startedAt, cpuMs: (user + system) / 1000 }];
}
