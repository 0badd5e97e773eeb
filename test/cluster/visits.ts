import { randomBytes } from "node:crypto";
import { airportHours, flight as landed, routesByDay, totalsByHour } from "../../examples/flights/app.ts";
import { count, defineApp, defineEvent, defineView, sum, Type, tumbling } from "../../views/index.ts";
import { overTypes } from "../../views/mapping.ts";

/**
 * An app whose topics are no other test's; with a second version of its view, which counts twice as long a stay, and a
 * third, which counts three times as long a one and is flipped to by policy; or with two views that one layer alone
 * computes each; or with flights beside it.
 */
export function freshVisits({
  id = `t${randomBytes(6).toString("hex")}`,
  hasSecond = false,
  publish = false,
  isOneLayered = false,
  hasFlights = false,
  keep = null as string | null,
  duplicatesWithin = 1_000,
  encrypted = false,
} = {}) {
  const visit = defineEvent({
    name: `test.${id}.visited`,
    schema: Type.Object({ place: Type.String(), stay: Type.Integer() }),
    key: (f) => f.place,
    partitions: 3,
    ...{ keep, duplicatesWithin, encrypted },
  });
  const places = defineView({
    ...{ name: "places", publish },
    from: visit,
    by: (f) => ({ place: f.place, hour: tumbling("1h") }),
    measures: (f) => ({ visits: count(), stay: sum(f.stay) }),
  });
  const later = (version: 2 | 3) =>
    defineView({
      ...{ name: "places", version, from: visit },
      flip: version === 2 ? "manual" : { when: { cleanRuns: 1 } },
      by: (f) => ({ place: f.place, hour: tumbling("1h") }),
      measures: (f) => ({ visits: count(), stay: sum(f.stay.times(version)) }),
    });
  const ofLayer = (layers: "batch" | "speed") =>
    defineView({
      ...{ name: `places-of-${layers}`, layers, from: visit },
      by: (f) => ({ place: f.place }),
      measures: (f) => ({ visits: count(), stay: sum(f.stay) }),
    });
  const layered = [ofLayer("batch"), ofLayer("speed")];
  const flight = flightType(id);
  const views = isOneLayered
    ? layered
    : [places, ...(hasSecond ? [later(2), later(3)] : []), ...(hasFlights ? flightViews(flight) : [])];
  return { visit, flight, app: defineApp({ name: id, views, batch: { schedule: null } }) };
}

function flightType(id: string) {
  return defineEvent({
    ...{ name: `test.${id}.landed`, schema: landed.schema, partitions: 2 },
    key: (f) => f.origin,
  });
}

/** Those of the example, without its dimension table. */
function flightViews(flight: ReturnType<typeof flightType>) {
  return [airportHours, routesByDay, totalsByHour].map((view) => ({
    ...overTypes(view, () => flight),
    references: [],
  }));
}
