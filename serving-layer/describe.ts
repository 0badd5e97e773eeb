import type { Manifest } from "../infra/generations/generations.ts";
import { formatCut } from "../views/cut.ts";
import { exactName } from "../views/version.ts";
import { shownView, type View } from "../views/view.ts";

/** What is to be known of versions to describe one. */
export interface KnownVersions {
  of(view: View): readonly View[];
  isActive(view: View): boolean;
}

/** A view's declaration as `/v1/views` shows it. */
export function describeView(view: View, versions: KnownVersions) {
  // The name alone leads to the active one.
  const address = versions.of(view).length > 1 ? exactName(view) : view.name;
  return {
    name: view.name,
    family: view.family,
    version: view.version,
    isActive: versions.isActive(view),
    layers: view.layers,
    publish: view.publish,
    flip: view.flip,
    fingerprint: view.fingerprint,
    /** Null where it is of several. */
    event: view.mappings.length === 1 ? view.mappings[0]?.event.name : null,
    events: view.mappings.map(({ event }) => event.name),
    dimensions: view.dimensions.map(({ name, type, nullable }, i) => ({
      ...{ name, type, nullable },
      ...describeReference(view, i),
    })),
    window:
      view.window === undefined
        ? null
        : {
            ...{ name: view.window.name, kind: view.window.window.kind, width: view.window.window.text },
            ...(view.window.window.kind === "calendar" ? { tz: view.window.window.calendar.zone.name } : {}),
            ...(view.window.window.kind === "sliding"
              ? { lengthMs: view.window.window.lengthMs, everyMs: view.window.window.widthMs }
              : {}),
          },
    measures: shownView(view).measures.map(({ name, aggregate }) => ({
      name,
      kind: aggregate.kind,
      type: aggregate.value.type,
      nullable: aggregate.value.nullable,
      approximation: aggregate.approximation ?? null,
    })),
    /** Of a state: what merges. */
    columns: view.columns.map(({ name, type }) => ({ name, type })),
    rows: `/v1/views/${address}/rows`,
    compare: `/v1/views/${address}/compare`,
  };
}

/** The table that a dimension refers to, and what there is to filter and to group by. */
function describeReference({ references }: View, dimension: number) {
  const table = references.find((reference) => reference.dimension === dimension)?.table;
  if (table === undefined) return {};
  const attributes = table.attributes.map(({ name, type }) => ({ name, type }));
  return { refersTo: { dimension: table.name, attributes } };
}

/** A generation without its reconciliation's examples. */
export function describeGeneration(manifest: Manifest) {
  const { id, fingerprint, cut, run, createdAt, rows, records, computeMs, base, inFull } = manifest;
  return {
    ...{ id, fingerprint, cut: formatCut(cut), run, createdAt, rows, records, computeMs },
    /** The generation that it goes on from, null where it was computed from all records; and why it was. */
    ...{ base: base?.id ?? null, inFull: inFull ?? null },
    /** When the last generation was made that was computed from all records. */
    fullAt: base?.fullAt ?? createdAt,
    reconciliation: describeReconciliation(manifest),
  };
}

function describeReconciliation({ reconciliation }: Manifest) {
  if (reconciliation.kind === "not-compared") return reconciliation;
  const { kind, against, keys, differing, largestDrift } = reconciliation;
  return { kind, against, keys, differing, largestDrift };
}
