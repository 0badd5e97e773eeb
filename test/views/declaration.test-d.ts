/** What must not compile: checked by `npm run check`. Each line below is an error, or this file is. */
import { count, defineEvent, defineView, mean, min, sum, Type, tumbling } from "../../views/index.ts";

const click = defineEvent({
  name: "web.page.clicked",
  schema: Type.Object({ page: Type.String(), ms: Type.Integer(), isNew: Type.Optional(Type.Boolean()) }),
});
const by = () => ({ hour: tumbling("1h") });
const name = "clicks";

defineView({
  name,
  from: click,
  by: (f) => ({ page: f.page, isNew: f.isNew }),
  measures: (f) => ({ ms: sum(f.ms) }),
});
// @ts-expect-error a field that the schema doesn't have
defineView({ name, from: click, by: (f) => ({ page: f.pages }), measures: () => ({ n: count() }) });
// @ts-expect-error the sum of a text
defineView({ name, from: click, by, measures: (f) => ({ n: sum(f.page) }) });
// @ts-expect-error the mean of a boolean
defineView({ name, from: click, by, measures: (f) => ({ n: mean(f.isNew) }) });
// @ts-expect-error the smallest boolean
defineView({ name, from: click, by, measures: (f) => ({ n: min(f.isNew) }) });
// @ts-expect-error a number compared with a text
defineView({ name, from: click, by, where: (f) => f.ms.gt("1"), measures: () => ({ n: count() }) });
// @ts-expect-error a condition that is no condition
defineView({ name, from: click, by, where: (f) => f.ms, measures: () => ({ n: count() }) });
// @ts-expect-error a partition key that is no text or number
defineEvent({ name: "a.b.c", schema: Type.Object({ ok: Type.Boolean() }), key: (f) => f.ok });
