/** What of the typed client must and must not compile: checked by `npm run check`. */
import { createClient } from "../../client/client.ts";
import { count, defineApp, defineEvent, defineView, latest, sum, Type, tumbling } from "../../views/index.ts";
import type { ShownNumber } from "../../views/row-types.ts";

const sale = defineEvent({
  name: "shop.sale.made",
  schema: Type.Object({ shop: Type.String(), till: Type.Integer(), cents: Type.Integer() }),
});
const byShop = defineView({
  name: "by-shop",
  from: sale,
  by: (f) => ({ shop: f.shop, till: f.till, hour: tumbling("1h") }),
  measures: (f) => ({ sales: count(), cents: sum(f.cents), last: latest(f.shop) }),
  derived: (m) => ({ each: m.cents.dividedBy(m.sales) }),
});
const inAll = defineView({ name: "in-all", from: sale, by: () => ({}), measures: () => ({ all: count() }) });
const app = defineApp({ name: "shops", views: [byShop, inAll] });

export async function compiles() {
  const client = createClient<typeof app>({ url: "http://127.0.0.1:4100" });
  const { rows } = await client.rows("by-shop", { groupBy: ["shop"], measures: ["sales", "last", "each"] });
  const shop: string | null | undefined = rows[0]?.shop;
  const sales: ShownNumber | undefined = rows[0]?.sales;
  const last: string | null | undefined = rows[0]?.last;
  const each: number | null | undefined = rows[0]?.each;
  const whole = await client.rows("by-shop", { where: { shop: ["a", "b"], till: 1 }, orderBy: ["-sales"] });
  const hour: string | undefined = whole.rows[0]?.hour;
  // @ts-expect-error a measure that was not asked for
  rows[0]?.cents;
  // @ts-expect-error a view that there is not
  await client.rows("by-shops");
  // @ts-expect-error a dimension that the view does not have
  await client.rows("by-shop", { groupBy: ["site"] });
  // @ts-expect-error a measure of another view
  await client.rows("by-shop", { measures: ["all"] });
  // @ts-expect-error a value of another type
  await client.rows("by-shop", { where: { till: "one" } });
  for await (const event of client.live("in-all", { measures: ["all"] })) {
    const all: ShownNumber | undefined = event.rows[0]?.all;
    return [shop, sales, last, each, hour, all];
  }
  return [];
}

const fewer = defineView({
  name: "by-shop",
  version: 2,
  from: sale,
  by: (f) => ({ shop: f.shop, hour: tumbling("1h") }),
  measures: (f) => ({ sales: count(), refunds: count({ where: f.cents.lt(0) }) }),
});
const versions = defineApp({ name: "shops", views: [byShop, fewer, inAll] });

export async function versionsCompile() {
  const client = createClient<typeof versions>({ url: "http://127.0.0.1:4100" });
  const { rows } = await client.rows("by-shop@2", { groupBy: ["shop"], measures: ["refunds"] });
  const refunds: ShownNumber | undefined = rows[0]?.refunds;
  // What its name may mean has these in common.
  const shared = await client.rows("by-shop", { groupBy: ["shop"], measures: ["sales"] });
  const sales: ShownNumber | undefined = shared.rows[0]?.sales;
  // @ts-expect-error a version that there is not
  await client.rows("by-shop@3");
  // @ts-expect-error a measure that only one version has
  await client.rows("by-shop", { measures: ["refunds"] });
  // @ts-expect-error a dimension that only one version has
  await client.rows("by-shop", { groupBy: ["till"] });
  return [refunds, sales];
}
