import type { Aggregate } from "../../views/aggregate.ts";
import { count } from "../../views/aggregates/count.ts";
import { max } from "../../views/aggregates/max.ts";
import { mean } from "../../views/aggregates/mean.ts";
import { min } from "../../views/aggregates/min.ts";
import { sum } from "../../views/aggregates/sum.ts";
import { defineEvent, type FieldsOf } from "../../views/event.ts";
import { Type } from "../../views/index.ts";

/** An event type with a field of each type, required and optional. */
export const sample = defineEvent({
  name: "laws.sample.taken",
  schema: Type.Object({
    whole: Type.Integer(),
    real: Type.Number(),
    maybeWhole: Type.Optional(Type.Integer()),
    maybeReal: Type.Optional(Type.Number()),
    maybeFlag: Type.Optional(Type.Boolean()),
  }),
});

type Fields = FieldsOf<typeof sample>;

/** Every aggregate, over each kind of input it takes; the laws are run for each. */
export const instances: Readonly<Record<string, (f: Fields) => Aggregate>> = {
  "count()": () => count(),
  "count(where)": (f) => count({ where: f.maybeFlag.eq(true) }),
  ...overNumbers("sum", sum),
  ...overNumbers("min", min),
  ...overNumbers("max", max),
  ...overNumbers("mean", mean),
};

function overNumbers(name: string, make: typeof sum): Readonly<Record<string, (f: Fields) => Aggregate>> {
  return {
    [`${name}(integer)`]: (f) => make(f.whole),
    [`${name}(float)`]: (f) => make(f.real),
    [`${name}(optional integer)`]: (f) => make(f.maybeWhole),
    [`${name}(optional float)`]: (f) => make(f.maybeReal),
    [`${name}(integer where)`]: (f) => make(f.whole, { where: f.maybeFlag.eq(true) }),
    [`${name}(optional float where)`]: (f) => make(f.maybeReal, { where: f.real.gt(0) }),
  };
}
