import { flight } from "../../examples/flights/app.ts";
import {
  count,
  countDistinct,
  defineApp,
  defineView,
  distinct,
  earliest,
  latest,
  max,
  quantile,
  stddev,
  sum,
  tumbling,
  variance,
} from "../../views/index.ts";

/** Every kind of state, over the flights. */
const airportDays = defineView({
  name: "airport-days",
  from: flight,
  by: (f) => ({ origin: f.origin, day: tumbling("1d") }),
  measures: (f) => ({
    distance: sum(f.distance),
    furthest: max(f.destination),
    delayVariance: variance(f.delay, { of: "population" }),
    delayDeviation: stddev(f.delay),
    lastTo: latest(f.destination),
    firstTo: earliest(f.destination),
    destinations: countDistinct(f.destination),
    exactDestinations: distinct(f.destination, { upTo: 1_000 }),
    fewDestinations: distinct(f.destination, { upTo: 2 }),
    medianDelay: quantile(f.delay, 0.5),
    lateDelay: quantile(f.delay, 0.9, { where: f.delay.gt(0) }),
    flights: count(),
  }),
  derived: (m) => ({ perFlight: m.distance.dividedBy(m.flights) }),
});

export default defineApp({ name: "every-aggregate", views: [airportDays], batch: { schedule: null } });
