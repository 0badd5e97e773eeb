import type { Append, Log } from "../../infra/log/log.ts";
import {
  count,
  countDistinct,
  defineApp,
  defineEvent,
  defineView,
  each,
  latest,
  mean,
  quantile,
  session,
  sliding,
  source,
  sum,
  Type,
  tumbling,
} from "../../views/index.ts";
import { Random } from "../fault/random.ts";

/** Duplicates are known within few records, so that it matters which ones a fold has seen before it begins. */
const shown = defineEvent({
  name: "past.page.shown",
  schema: Type.Object({ user: Type.String(), ms: Type.Number() }),
  partitions: 2,
  duplicatesWithin: 20,
});
const bought = defineEvent({
  name: "past.basket.bought",
  schema: Type.Object({
    user: Type.String(),
    items: Type.Array(Type.Object({ sku: Type.String(), cents: Type.Integer() })),
  }),
  partitions: 3,
  duplicatesWithin: 50,
});

/** Sessions of two event types. */
const visits = defineView({
  name: "visits",
  from: [
    source(shown, {
      by: (f) => ({ user: f.user, at: session("30m") }),
      measures: (f) => ({ pages: count(), ms: sum(f.ms, { scale: 2 }) }),
    }),
    source(bought, {
      by: (f) => ({ user: f.user, at: session("30m") }),
      measures: () => ({ purchases: count() }),
    }),
  ],
});
const speed = defineView({
  name: "speed",
  from: shown,
  by: () => ({ at: sliding("1h", { every: "10m" }) }),
  measures: (f) => ({ ms: mean(f.ms), slow: quantile(f.ms, 0.9), users: countDistinct(f.user) }),
});
const skus = defineView({
  name: "skus",
  from: each(bought, (f) => f.items),
  by: (f) => ({ sku: f.item.sku, day: tumbling("1d") }),
  measures: (f) => ({ sold: count(), cents: sum(f.item.cents), last: latest(f.item.cents) }),
});

export const app = defineApp({
  name: "past",
  views: [visits, speed, skus],
  batch: { schedule: null, keep: 3 },
});
export const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));

const hours = 3_600_000;

/** Records for every partition, in no order of time: some come twice, near or far, and some are no events at all. */
export function recordsOf(seed: number, count: number): readonly Append[] {
  const random = new Random(seed);
  const sent = new Map<string, Uint8Array[]>();
  return Array.from({ length: count }, (_, i): Append => {
    const type = random.chance(0.7) ? shown : bought;
    const partition = random.whole(0, type.partitions);
    const place = `${type.name} ${partition}`;
    const former = sent.get(place) ?? [];
    sent.set(place, former);
    const again = random.chance(0.2) ? former[random.whole(0, former.length)] : undefined;
    const value = again ?? Buffer.from(random.chance(0.05) ? `no event ${i}` : textOf(random, type, i));
    former.push(value);
    return { topic: type.name, partition, key: null, value };
  });
}

function textOf(random: Random, type: typeof shown | typeof bought, i: number): string {
  const user = `u${random.whole(0, 8)}`;
  const items = Array.from({ length: random.whole(0, 3) }, (_, n) => ({
    sku: `s${n}`,
    cents: random.whole(1, 900),
  }));
  const data = type.name === shown.name ? { user, ms: i } : { user, items };
  const time = new Date(random.whole(0, 48) * hours + random.whole(0, hours)).toISOString();
  return JSON.stringify({ specversion: "1.0", id: `${i}`, source: "test", type: type.name, time, data });
}

/** Appends them in order, a few at a time: a log lets go of whole commits. */
export async function append(log: Log, records: readonly Append[]): Promise<void> {
  for (let from = 0; from < records.length; from += 40) await log.append(records.slice(from, from + 40));
}
