import type { Scalar } from "../../views/expression.ts";
import { count, defineEvent, defineView, max, mean, min, sum, Type, tumbling } from "../../views/index.ts";
import type { StateRow } from "../../views/state.ts";

export const hour = 3_600_000;
export const day = 24 * hour;

export const measured = defineEvent({
  name: "test.machine.measured",
  schema: Type.Object({
    site: Type.String(),
    unit: Type.Optional(Type.Integer()),
    label: Type.Optional(Type.String()),
    isOn: Type.Boolean(),
    value: Type.Optional(Type.Integer()),
  }),
  partitions: 2,
});

/** A view with a dimension of each type, nulls among them, and every aggregate. */
export const byMachine = defineView({
  name: "by-machine",
  from: measured,
  by: (f) => ({ site: f.site, unit: f.unit, label: f.label, isOn: f.isOn, hour: tumbling("1h") }),
  measures: (f) => ({
    records: count(),
    total: sum(f.value),
    average: mean(f.value),
    least: min(f.value),
    most: max(f.value),
  }),
});

/** One record, as plain as can be. */
export interface Measured {
  readonly site: string;
  readonly unit: number | null;
  readonly label: string | null;
  readonly isOn: boolean;
  /** First millisecond of its hour. */
  readonly hour: number;
  readonly value: number | null;
}

/** The state of one record, written down by hand. */
export function stateOf({ site, unit, label, isOn, hour: pane, value }: Measured): StateRow {
  const cells = [1, value, value ?? 0, value === null ? 0 : 1, value, value];
  return { dimensions: [site, unit, label, isOn], pane, cells };
}

/** The same by name: what the records of one group measure. */
export function measure(records: readonly Measured[]): Record<string, unknown> {
  const values = records.flatMap(({ value }) => (value === null ? [] : [value]));
  const total = values.reduce((sum, value) => sum + BigInt(value), 0n);
  const hasValues = values.length > 0;
  return {
    records: records.length,
    total: hasValues ? jsonInteger(total) : null,
    average: hasValues ? Number(total) / values.length : null,
    least: hasValues ? values.reduce((a, b) => Math.min(a, b)) : null,
    most: hasValues ? values.reduce((a, b) => Math.max(a, b)) : null,
  };
}

function jsonInteger(value: bigint): number | string {
  const isSafe = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return isSafe ? Number(value) : String(value);
}

export function dimensionOf(record: Measured, name: string): Scalar {
  return { site: record.site, unit: record.unit, label: record.label, isOn: record.isOn }[name] ?? null;
}
