import {
  count,
  defineApp,
  defineDimension,
  defineEvent,
  defineView,
  max,
  mean,
  min,
  sum,
  Type,
  tumbling,
} from "../../views/index.ts";

/** A flight that landed. Event time is its departure; `delay` is in minutes, negative when early; `distance` in miles. */
export const flight = defineEvent({
  name: "aviation.flight.landed",
  schema: Type.Object({
    origin: Type.String(),
    destination: Type.String(),
    delay: Type.Integer(),
    distance: Type.Integer(),
  }),
  key: (f) => f.origin,
  partitions: 4,
});

/** Where an airport is, by its IATA code: `groupBy=origin.state`. From the package that the flights are from. */
export const airports = defineDimension({
  name: "airports",
  file: new URL("../data/airports.csv", import.meta.resolve("vega-datasets")),
  key: "iata",
  attributes: Type.Object({ city: Type.String(), state: Type.String(), country: Type.String() }),
});

export const airportHours = defineView({
  name: "airport-hours",
  from: flight,
  by: (f) => ({ origin: f.origin, hour: tumbling("1h") }),
  measures: (f) => ({
    flights: count(),
    distance: sum(f.distance),
    delay: mean(f.delay),
    late: count({ where: f.delay.gt(15) }),
  }),
  references: { origin: airports },
});

export const routesByDay = defineView({
  name: "routes-by-day",
  from: flight,
  by: (f) => ({ origin: f.origin, destination: f.destination, day: tumbling("1d") }),
  measures: (f) => ({
    flights: count(),
    delay: mean(f.delay),
    worst: max(f.delay),
    best: min(f.delay),
  }),
  references: { origin: airports, destination: airports },
});

export const totalsByHour = defineView({
  name: "totals-by-hour",
  from: flight,
  by: () => ({ hour: tumbling("1h") }),
  measures: (f) => ({
    flights: count(),
    distance: sum(f.distance),
    delay: sum(f.delay),
    longHauls: count({ where: f.distance.gte(2000) }),
  }),
});

export default defineApp({
  name: "flights",
  views: [airportHours, routesByDay, totalsByHour],
  batch: { schedule: "*/5 * * * *", keep: 3 },
});
