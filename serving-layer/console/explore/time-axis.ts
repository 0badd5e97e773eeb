const daySeconds = 86_400;

/** Ticks in UTC, as the rows have them: the time of day, and the date where another one begins. */
export function tickTexts(ticks: readonly number[], incrementSeconds: number): string[] {
  let former = "";
  return ticks.map((tick) => {
    const [date = "", time = ""] = new Date(tick * 1_000).toISOString().split("T");
    const isNew = date !== former;
    const isNewYear = date.slice(0, 4) !== former.slice(0, 4);
    former = date;
    if (incrementSeconds >= daySeconds)
      return isNewYear ? `${date.slice(5)}\n${date.slice(0, 4)}` : date.slice(5);
    return isNew ? `${time.slice(0, 5)}\n${isNewYear ? date : date.slice(5)}` : time.slice(0, 5);
  });
}

/** The shortest time between two moments. */
export function stepOf(times: readonly number[]): number {
  let step = Number.POSITIVE_INFINITY;
  for (let i = 1; i < times.length; i++) step = Math.min(step, (times[i] ?? 0) - (times[i - 1] ?? 0));
  return Number.isFinite(step) ? step : 0;
}
