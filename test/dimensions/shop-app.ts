import {
  count,
  defineApp,
  defineDimension,
  defineEvent,
  defineView,
  sum,
  Type,
  tumbling,
} from "../../views/index.ts";

/** A small star: orders, with products from a file and customers from their changes. */
export const order = defineEvent({
  name: "shop.order.placed",
  schema: Type.Object({
    customer: Type.String(),
    product: Type.Optional(Type.Integer()),
    cents: Type.Integer(),
  }),
  key: (f) => f.customer,
  partitions: 3,
});

export const customerChanged = defineEvent({
  name: "shop.customer.changed",
  schema: Type.Object({
    id: Type.String(),
    op: Type.String(),
    segment: Type.Optional(Type.String()),
    city: Type.Optional(Type.String()),
    age: Type.Optional(Type.Integer()),
  }),
  key: (f) => f.op,
  partitions: 2,
});

export const products = defineDimension({
  name: "products",
  file: "products.csv",
  key: "sku",
  attributes: Type.Object({
    sku: Type.Integer(),
    kind: Type.String(),
    colour: Type.Optional(Type.String()),
    fragile: Type.Boolean(),
  }),
});

export const customers = defineDimension({
  name: "customers",
  from: customerChanged,
  key: (f) => f.id,
  attributes: (f) => ({ segment: f.segment, city: f.city, isAdult: f.age.gte(18) }),
  deleted: (f) => f.op.eq("deleted"),
});

export const sales = defineView({
  name: "sales",
  from: order,
  by: (f) => ({ customer: f.customer, product: f.product, hour: tumbling("1h") }),
  measures: (f) => ({ orders: count(), cents: sum(f.cents) }),
  references: { customer: customers, product: products },
});

export default defineApp({ name: "shop", views: [sales], batch: { schedule: null } });
