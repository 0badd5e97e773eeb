const bars = "▁▂▃▄▅▆▇█";

/** One character for each value, from the least to the greatest; a gap, where there is none. */
export function sparkline(values: readonly (number | undefined)[]): string {
  const known = values.filter((value) => value !== undefined);
  const least = known.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const range = known.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY) - least;
  const top = bars.length - 1;
  return values
    .map((value) =>
      value === undefined ? " " : bars[range > 0 ? Math.round(((value - least) / range) * top) : 0],
    )
    .join("");
}

/** At most `width` values: where there are more, the means of those that lie side by side. */
export function narrowed(values: readonly (number | undefined)[], width: number): (number | undefined)[] {
  if (values.length <= width) return [...values];
  return Array.from({ length: width }, (_, i) => {
    const from = Math.floor((i * values.length) / width);
    const next = Math.floor(((i + 1) * values.length) / width);
    const known = values.slice(from, next).filter((value) => value !== undefined);
    return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0) / known.length;
  });
}
