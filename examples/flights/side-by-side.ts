import type { AnswerRow } from "../../cli/answers.ts";
import type { Client } from "../../cli/client.ts";
import { renderTable } from "../../cli/table.ts";
import { patience } from "../demo/patience.ts";
import { airportHours } from "./app.ts";

const airports = ["ATL", "DFW", "LAX", "ORD", "PHX"];
const layers = ["merged", "batch", "speed"] as const;

/** Flights of one day by airport, as each layer has them. */
export type LayersOfDay = Readonly<Record<(typeof layers)[number], ReadonlyMap<string, number>>>;

/** `position` has to be covered by the merged answer; the batch layer alone may be behind it. */
export async function askLayers(client: Client, day: Day, position: string): Promise<LayersOfDay> {
  const entries = [];
  for (const layer of layers) {
    const { rows } = await client.rows(airportHours.name, {
      ...rangeOf(day),
      origin: airports,
      groupBy: "origin",
      measures: "flights",
      layer,
      ...(layer === "merged" && { after: position, timeout: patience }),
    });
    entries.push([layer, new Map(rows.map(flightsOf))] as const);
  }
  return Object.fromEntries(entries) as unknown as LayersOfDay;
}

function flightsOf(row: AnswerRow): [string, number] {
  return [String(row.origin), Number(row.flights)];
}

/** A day in UTC, by its first millisecond. */
export type Day = number & { readonly __brand: "Day" };

const dayMs = 86_400_000;

/** The latest day that lies at least half before `time`. */
export function latestDay(time: number): Day {
  return (Math.floor((time - dayMs / 2) / dayMs) * dayMs) as Day;
}

export function formatDay(day: Day): string {
  return new Date(day).toISOString().slice(0, 10);
}

export function rangeOf(day: Day): { readonly from: string; readonly to: string } {
  return { from: formatDay(day), to: formatDay((day + dayMs) as Day) };
}

export function renderLayers(before: LayersOfDay, after: LayersOfDay): string {
  const column = (title: string, layer: (typeof layers)[number], when: LayersOfDay) => ({
    title,
    values: airports.map((airport) => when[layer].get(airport) ?? 0),
  });
  return renderTable([
    { title: "airport", values: airports },
    column("batch", "batch", before),
    column("speed", "speed", before),
    column("merged", "merged", before),
    { title: "last run", values: airports.map(() => "→") },
    column("batch", "batch", after),
    column("speed", "speed", after),
    column("merged", "merged", after),
  ]);
}
