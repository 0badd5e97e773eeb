import {
  count,
  defineApp,
  defineChanges,
  defineTable,
  defineView,
  Type,
  tumbling,
} from "../../views/index.ts";

/** The changes of the table `public.orders` of a shop's PostgreSQL, as Debezium's envelopes have them. */
export const orderChanges = defineChanges({
  name: "shop.public.orders",
  row: Type.Object({
    id: Type.Integer(),
    customer: Type.String(),
    country: Type.String(),
    status: Type.String(),
    cents: Type.Integer(),
    placed: Type.Time(),
    weight: Type.Optional(Type.Number()),
    note: Type.Optional(Type.String()),
    // Came later: rows from before have none.
    channel: Type.Optional(Type.String()),
  }),
  key: ["id"],
  partitions: 2,
});

/** The table's rows as they are now. */
export const orders = defineTable({ name: "orders", from: orderChanges });

/** Those that nobody has sent off yet. */
export const openOrders = defineTable({
  name: "open-orders",
  from: orderChanges,
  columns: (f) => ({ country: f.country, cents: f.cents, placed: f.placed }),
  where: (f) => f.status.eq("open"),
});

/** What was done to the table, by hour: changes are events like any other. */
export const orderHours = defineView({
  name: "order-hours",
  from: orderChanges,
  by: (f) => ({ operation: f.__op, hour: tumbling("1h") }),
  measures: () => ({ changes: count() }),
});

export default defineApp({ name: "shop", views: [orders, openOrders, orderHours] });
