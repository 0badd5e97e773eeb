import { count, defineApp, defineEvent, defineView, Type } from "../../views/index.ts";

const order = defineEvent({
  name: "test.order.placed",
  schema: Type.Object({ shop: Type.String() }),
  key: (f) => f.shop,
});

/** What the speed layer does with a record is not what the batch layer does: it counts each twice. */
const miscount = { ...count(), add: ([n]: readonly string[]) => `${n} = addIntegers(${n}, 2);` };

const byShop = defineView({
  name: "by-shop",
  from: order,
  by: (f) => ({ shop: f.shop }),
  measures: () => ({ orders: miscount }),
});
const sound = defineView({
  name: "sound",
  from: order,
  by: (f) => ({ shop: f.shop }),
  measures: () => ({ orders: count() }),
});

export default defineApp({ name: "miscounting", views: [byShop, sound], batch: { schedule: null } });
