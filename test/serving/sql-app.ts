import { count, defineApp, defineEvent, defineView, sum, Type, tumbling } from "../../views/index.ts";

const sale = defineEvent({
  name: "shop.sale.made",
  schema: Type.Object({ shop: Type.String(), cents: Type.Integer() }),
  partitions: 1,
});

export const shopHours = defineView({
  name: "shop-hours",
  from: sale,
  by: (f) => ({ shop: f.shop, hour: tumbling("1h") }),
  measures: (f) => ({ sales: count(), cents: sum(f.cents) }),
});

export default defineApp({ name: "sql-test", views: [shopHours] });
