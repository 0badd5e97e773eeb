import type { DimensionFiles } from "../../infra/dimensions/dimension-file.ts";
import type { Scalar } from "../../views/expression.ts";
import { count, defineDimension, defineEvent, defineView, sum, Type, tumbling } from "../../views/index.ts";
import type { StateRow } from "../../views/state.ts";

/** A star, and by plain means what its rows are: facts that hold keys, a table of events, a table of a file. */

const siteChanged = defineEvent({
  name: "test.site.changed",
  schema: Type.Object({
    site: Type.String(),
    region: Type.Optional(Type.String()),
    size: Type.Optional(Type.Integer()),
    isOpen: Type.Optional(Type.Boolean()),
    isGone: Type.Boolean(),
  }),
  partitions: 2,
});

export const sites = defineDimension({
  name: "sites",
  from: siteChanged,
  key: (f) => f.site,
  attributes: (f) => ({ region: f.region, size: f.size, isOpen: f.isOpen }),
  deleted: (f) => f.isGone,
});

export const units = defineDimension({
  name: "units",
  file: "units.csv",
  key: "unit",
  attributes: Type.Object({ unit: Type.Integer(), kind: Type.Optional(Type.String()) }),
});

const measured = defineEvent({
  name: "test.unit.measured",
  schema: Type.Object({ site: Type.String(), unit: Type.Optional(Type.Integer()), value: Type.Integer() }),
  partitions: 2,
});

export const bySite = defineView({
  name: "by-site",
  from: measured,
  by: (f) => ({ site: f.site, unit: f.unit, hour: tumbling("1h") }),
  measures: (f) => ({ records: count(), total: sum(f.value) }),
  references: { site: sites, unit: units },
});

/** Unit 3 is in no file. */
export const kinds: ReadonlyMap<Scalar, string | null> = new Map([
  [1, "pump"],
  [2, null],
  [-4, "null"],
]);

export const files: DimensionFiles = new Map([
  [
    units,
    {
      path: "/units.csv",
      sha256: "abc",
      rows: new Map([...kinds].map(([unit, kind]) => [unit, [unit, kind]])),
    },
  ],
]);

export interface Fact {
  readonly site: string;
  readonly unit: number | null;
  readonly hour: number;
  readonly value: number;
}

export interface Change {
  readonly site: string;
  readonly time: number;
  readonly region: string | null;
  readonly size: number | null;
  readonly isOpen: boolean | null;
  readonly isGone: boolean;
}

export function factState({ site, unit, hour, value }: Fact): StateRow {
  return { dimensions: [site, unit], pane: hour, cells: [1, value] };
}

/** Records stand in the partitions by turns. */
export function changeState(change: Change, at: number): StateRow {
  const { site, time, region, size, isOpen, isGone } = change;
  const packed = [region, size, isOpen]
    .map((value) => (value === null ? "~" : `${[...String(value)].length}:${value}`))
    .join("");
  return { dimensions: [site], pane: 0, cells: [time, at % 2, Math.floor(at / 2), isGone ? "" : packed] };
}

/** The row of a site after these changes: the latest by time, then partition, then offset. */
export function siteRow(changes: readonly Change[], site: string): Partial<Change> {
  let latest: { change: Change; place: readonly number[] } | undefined;
  changes.forEach((change, at) => {
    const place = [change.time, at % 2, Math.floor(at / 2)];
    if (change.site !== site || (latest !== undefined && comparePlaces(place, latest.place) < 0)) return;
    latest = { change, place };
  });
  return latest === undefined || latest.change.isGone ? {} : latest.change;
}

function comparePlaces(a: readonly number[], b: readonly number[]): number {
  return a.map((part, i) => part - (b[i] ?? 0)).find((difference) => difference !== 0) ?? 0;
}

/** All that a fact can be told apart by. */
export function columnsOf(fact: Fact, changes: readonly Change[]): Readonly<Record<string, Scalar>> {
  const { region = null, size = null, isOpen = null } = siteRow(changes, fact.site);
  return {
    site: fact.site,
    unit: fact.unit,
    "site.region": region,
    "site.size": size,
    "site.isOpen": isOpen,
    "unit.unit": kinds.has(fact.unit) ? fact.unit : null,
    "unit.kind": kinds.get(fact.unit) ?? null,
  };
}
