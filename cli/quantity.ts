/** Numbers, times and lengths of time as a person reads them. */

const grouping = new Intl.NumberFormat("en-US");

/** `1,234,567`; takes the decimal text of an integer of any size, too. */
export function formatCount(count: number | bigint | string): string {
  return grouping.format(typeof count === "string" ? BigInt(count) : count);
}

/** `0.42 s`, `12.3 s`, `2 min 05 s`. */
export function formatSpan(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** `812 kB`, `3.1 MB`: powers of 1000. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`;
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`;
  return `${(bytes / 1_000_000_000).toFixed(2)} GB`;
}

/** `84,310/s`, from a count and the milliseconds it took. */
export function formatRate(count: number, ms: number): string {
  return `${formatCount(ms > 0 ? Math.round((count * 1000) / ms) : 0)}/s`;
}

/** `43.4 %` */
export function formatShare(part: number, whole: number): string {
  return `${whole === 0 ? "0.0" : ((100 * part) / whole).toFixed(1)} %`;
}

export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
