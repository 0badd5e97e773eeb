import { count, defineApp, defineEvent, defineView, sum, Type } from "../../views/index.ts";
import type { Layers } from "../../views/layers.ts";

const visit = defineEvent({
  name: "test.place.visited",
  schema: Type.Object({ place: Type.String(), stay: Type.Integer() }),
  key: (f) => f.place,
  partitions: 2,
});
const rung = defineEvent({
  name: "test.bell.rung",
  schema: Type.Object({ place: Type.String() }),
  partitions: 1,
});

const places = (name: string, layers: Layers) =>
  defineView({
    ...{ name, layers, from: visit },
    by: (f) => ({ place: f.place }),
    measures: (f) => ({ visits: count(), stay: sum(f.stay) }),
  });

/** Three views that mean the same, each of other layers, and a topic that no tail is kept of. */
export const layersApp = (first: Layers, second: Layers, third: Layers) =>
  defineApp({
    name: "layers",
    views: [
      places("first", first),
      places("second", second),
      places("third", third),
      defineView({
        ...{ name: "bells", layers: "batch", from: rung },
        by: (f) => ({ place: f.place }),
        measures: () => ({ times: count() }),
      }),
    ],
    batch: { schedule: null },
  });

export default layersApp("both", "batch", "speed");
