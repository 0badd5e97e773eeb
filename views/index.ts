/** What an app's declaration imports: `import { defineApp, defineEvent, defineView, count, sum, … } from "tidemark"`. */

export { count } from "./aggregates/count.ts";
export { countDistinct } from "./aggregates/count-distinct.ts";
export { current } from "./aggregates/current.ts";
export { distinct } from "./aggregates/distinct.ts";
export { earliest } from "./aggregates/earliest.ts";
export { histogram } from "./aggregates/histogram.ts";
export { latest } from "./aggregates/latest.ts";
export { max } from "./aggregates/max.ts";
export { mean } from "./aggregates/mean.ts";
export { min } from "./aggregates/min.ts";
export { quantile } from "./aggregates/quantile.ts";
export { stddev } from "./aggregates/stddev.ts";
export { sum } from "./aggregates/sum.ts";
export { variance } from "./aggregates/variance.ts";
export { type App, type AppDeclaration, type BatchDeclaration, defineApp } from "./app.ts";
export { type Changes, type ChangesDeclaration, defineChanges } from "./changes.ts";
export type { Derivation } from "./derived.ts";
export {
  type DimensionTable,
  defineDimension,
  type EventTableDeclaration,
  type FileTableDeclaration,
} from "./dimension-table.ts";
export { each } from "./elements.ts";
export { type ErrorCode, TidemarkError } from "./errors.ts";
export {
  defineEvent,
  type Event,
  type EventDeclaration,
  type EventType,
  type TopicOptions,
} from "./event.ts";
export { when } from "./expressions/cases.ts";
export { eventTime } from "./expressions/time-expression.ts";
export { Type } from "./schema.ts";
export { type Source, type SourceDeclaration, type SourceOf, source } from "./source.ts";
export { defineTable, type TableDeclaration } from "./table.ts";
export { defineView, type View, type ViewDeclaration } from "./view.ts";
export { session, sliding, tumbling, type Window } from "./window.ts";
