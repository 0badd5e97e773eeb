import type { AnswerRow } from "../../cli/answers.ts";
import type { Client } from "../../cli/client.ts";
import { renderTable } from "../../cli/table.ts";
import { patience } from "../demo/patience.ts";
import { visits } from "./app.ts";
import { sites } from "./sites.ts";

const layers = ["batch", "speed", "merged"] as const;
type Layer = (typeof layers)[number];

/** The visits by host, as each layer has them. */
export type Layers = Readonly<Record<Layer, ReadonlyMap<string, AnswerRow>>>;

/** `position` has to be covered by the merged answer; the batch layer alone may be behind it. */
export async function askLayers(client: Client, position: string): Promise<Layers> {
  const ask = async (layer: Layer) => {
    const { rows } = await client.rows(visits.name, {
      groupBy: "host",
      measures: "visits,bounceRate",
      layer,
      ...(layer === "merged" && { after: position, timeout: patience }),
    });
    return new Map(rows.map((row) => [String(row.host), row]));
  };
  return { batch: await ask("batch"), speed: await ask("speed"), merged: await ask("merged") };
}

export function renderLayers(before: Layers, after: Layers): string {
  const columns = (when: Layers) => [
    ...layers.map((layer) => ({
      title: layer,
      values: sites.map(({ host }) => Number(when[layer].get(host)?.visits ?? 0)),
    })),
    {
      title: "bounced",
      values: sites.map(({ host }) => percent(when.merged.get(host)?.bounceRate)),
      align: "right" as const,
    },
  ];
  return renderTable([
    { title: "visits to", values: sites.map(({ host }) => host) },
    ...columns(before),
    { title: "last run", values: sites.map(() => "→") },
    ...columns(after),
  ]);
}

function percent(share: unknown): string | null {
  return typeof share === "number" ? `${(100 * share).toFixed(2)} %` : null;
}
