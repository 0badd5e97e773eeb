/**
 * A time as RFC 3339 has it: `plain`, `brief` without milliseconds, `finer` with more digits than milliseconds, `small` in
 * small letters. `zone`, minutes east of UTC: if the year there is one of 0001 to 9999, else UTC.
 */
export function timeText(time: number, zone: number, form = "plain"): string {
  const local = new Date(time + zone * 60_000).toISOString();
  const isUtc = zone === 0 || !/^(?!0000)\d{4}-/.test(local);
  const clock = (isUtc ? new Date(time).toISOString() : local).replace("Z", "");
  const text = `${shapes[form]?.(clock) ?? clock}${isUtc ? "Z" : designator(zone)}`;
  return form === "small" ? text.toLowerCase() : text;
}

const shapes: Readonly<Record<string, (clock: string) => string>> = {
  brief: (clock) => clock.replace(/\.\d+$/, ""),
  finer: (clock) => `${clock}9995`,
};

function designator(zone: number): string {
  const digits = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.abs(zone);
  return `${zone < 0 ? "-" : "+"}${digits(Math.floor(minutes / 60))}:${digits(minutes % 60)}`;
}

/** Milliseconds of such a text: digits beyond them are cut off. */
export function timeIn(text: string): number {
  return Date.parse(text.toUpperCase().replace(/(\.\d{3})\d+/, "$1"));
}
