import { randomBytes } from "node:crypto";
import { count, defineApp, defineEvent, defineView, sum, Type, tumbling } from "../../views/index.ts";

/**
 * An app whose topics are no other test's; with a second version of its view, which counts twice as long a stay, or with two views
 * that one layer alone computes each.
 */
export function freshVisits({
  id = `t${randomBytes(6).toString("hex")}`,
  hasSecond = false,
  publish = false,
  isOneLayered = false,
  keep = null as string | null,
  duplicatesWithin = 1_000,
} = {}) {
  const visit = defineEvent({
    name: `test.${id}.visited`,
    schema: Type.Object({ place: Type.String(), stay: Type.Integer() }),
    key: (f) => f.place,
    partitions: 3,
    ...{ keep, duplicatesWithin },
  });
  const places = defineView({
    ...{ name: "places", publish },
    from: visit,
    by: (f) => ({ place: f.place, hour: tumbling("1h") }),
    measures: (f) => ({ visits: count(), stay: sum(f.stay) }),
  });
  const second = defineView({
    name: "places",
    version: 2,
    from: visit,
    by: (f) => ({ place: f.place, hour: tumbling("1h") }),
    measures: (f) => ({ visits: count(), stay: sum(f.stay.times(2)) }),
  });
  const ofLayer = (layers: "batch" | "speed") =>
    defineView({
      ...{ name: `places-of-${layers}`, layers, from: visit },
      by: (f) => ({ place: f.place }),
      measures: (f) => ({ visits: count(), stay: sum(f.stay) }),
    });
  const layered = [ofLayer("batch"), ofLayer("speed")];
  const views = isOneLayered ? layered : hasSecond ? [places, second] : [places];
  return { visit, app: defineApp({ name: id, views, batch: { schedule: null } }) };
}
