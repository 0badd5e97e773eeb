import { flight } from "../../examples/flights/app.ts";
import type { Aggregate } from "../../views/aggregate.ts";
import { count, defineApp, defineView, mean, sum, tumbling } from "../../views/index.ts";

/** Wrong on purpose: the speed layer forgets every tenth record of a partition, which the batch layer counts. */
const forgetfulCount: Aggregate = {
  ...count(),
  add: ([n], _input, { offset }) => `if (${offset} % 10 !== 0) ${n} = addIntegers(${n}, 1);`,
};

const airportHours = defineView({
  name: "airport-hours",
  from: flight,
  by: (f) => ({ origin: f.origin, hour: tumbling("1h") }),
  measures: (f) => ({ flights: count(), distance: sum(f.distance), delay: mean(f.delay) }),
});

const forgetful = defineView({
  name: "forgetful",
  from: flight,
  by: (f) => ({ origin: f.origin }),
  measures: () => ({ flights: forgetfulCount }),
});

const remembering = defineView({
  name: "forgetful",
  version: 2,
  flip: { when: { cleanRuns: 1_000 } },
  from: flight,
  by: (f) => ({ origin: f.origin }),
  measures: () => ({ flights: count() }),
});

export default defineApp({ name: "forgetful-flights", views: [airportHours, forgetful, remembering] });
