import { count, defineEvent, defineView, sum, Type, tumbling } from "../../../views/index.ts";

/** One partition: a position says which of the events that were sent an answer is of. */
export const arrived = defineEvent({
  name: "test.flight.arrived",
  schema: Type.Object({ origin: Type.String(), minutes: Type.Integer({ minimum: 0 }) }),
  partitions: 1,
});

/** Adds up whole hours where minutes are meant. */
export const first = defineView({
  name: "delays",
  from: arrived,
  by: (f) => ({ origin: f.origin, hour: tumbling("1h") }),
  measures: (f) => ({ flights: count(), delay: sum(f.minutes.quotient(60)) }),
});

/** Means what version 2 does, and takes over by itself if that is so. */
export const third = defineView({
  name: "delays",
  version: 3,
  flip: { when: { cleanRuns: 2, changedShare: 0 } },
  from: arrived,
  by: (f) => ({ origin: f.origin, hour: tumbling("1h") }),
  measures: (f) => ({ flights: count(), delay: sum(f.minutes) }),
});

export const second = defineView({
  name: "delays",
  version: 2,
  from: arrived,
  by: (f) => ({ origin: f.origin, hour: tumbling("1h") }),
  measures: (f) => ({ flights: count(), delay: sum(f.minutes) }),
});
