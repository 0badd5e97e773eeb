import { fileURLToPath } from "node:url";
import { parsePosition } from "../../../views/cut.ts";
import type { Answer, Row } from "../client.ts";
import type { Random } from "../random.ts";
import { arrived } from "./views.ts";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
/** Version 1 alone, with version 2 beside it, and with version 3, which is flipped to by policy. */
export const firstApp = path("./first-app.ts");
export const bothApp = path("./both-app.ts");
export const policyApp = path("./policy-app.ts");

export interface Arrival {
  readonly id: number;
  readonly origin: string;
  readonly minutes: number;
  readonly time: string;
}

/** The next so many. */
export function someArrivals(random: Random, from: number, count: number): readonly Arrival[] {
  return Array.from({ length: count }, (_, i) => ({
    id: from + i,
    origin: ["ATL", "JFK", "ORD"][random.whole(0, 3)] ?? "",
    minutes: random.whole(0, 600),
    time: new Date(Date.UTC(2024, 4, 1, random.whole(0, 6), random.whole(0, 60))).toISOString(),
  }));
}

export function linesOf(arrivals: readonly Arrival[]): string {
  return arrivals
    .map(({ id, time, ...data }) =>
      JSON.stringify({ id: String(id), source: "test", type: arrived.name, time, data }),
    )
    .join("\n")
    .concat("\n");
}

/** What a version answers over these, row by row, computed apart from all of the platform's code. */
export function rowsOver(version: number, arrivals: readonly Arrival[]): readonly Row[] {
  const rows = new Map<string, { origin: string; hour: string; flights: number; delay: number }>();
  for (const { origin, minutes, time } of arrivals) {
    const hour = `${time.slice(0, 13)}:00:00.000Z`;
    const row = rows.get(`${origin} ${hour}`) ?? { origin, hour, flights: 0, delay: 0 };
    row.flights++;
    row.delay += version === 1 ? Math.floor(minutes / 60) : minutes;
    rows.set(`${origin} ${hour}`, row);
  }
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

/** How many records an answer covers. */
export function coveredBy({ provenance }: Answer): number {
  return parsePosition(provenance.position).get(arrived.name)?.get(0) ?? 0;
}
