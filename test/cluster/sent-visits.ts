export interface SentVisit {
  readonly id: string;
  readonly place: string;
  readonly stay: number;
}

/** So many visits of seven places in turn, of which the n-th of all stays for n. */
export function visitsOf(from: number, length: number): readonly SentVisit[] {
  return Array.from({ length }, (_, i) => from + i).map((n) => ({
    ...{ id: String(n), place: `place ${n % 7}`, stay: n },
  }));
}

/** As NDJSON. The time of a visit is as many seconds after the epoch as it stays. */
export function linesOf(type: string, visits: readonly SentVisit[]): string {
  return visits
    .map(({ id, place, stay }) => {
      const time = new Date(stay * 1_000).toISOString();
      return JSON.stringify({ id, source: "test", type, time, data: { place, stay } });
    })
    .join("\n");
}

/** What the views answer of visits of different ids, by place. */
export function byPlace(visits: readonly SentVisit[]) {
  const rows = new Map<string, { place: string; visits: number; stay: number }>();
  for (const { place, stay } of visits) {
    const row = rows.get(place) ?? { place, visits: 0, stay: 0 };
    rows.set(place, { place, visits: row.visits + 1, stay: row.stay + stay });
  }
  return [...rows.values()].sort((a, b) => (a.place < b.place ? -1 : 1));
}

/** What they answer of the first n of all. */
export const total = (n: number) => ({ visits: n, stay: (n * (n - 1)) / 2 });
