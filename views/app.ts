import { changesTopic } from "./changes-topic.ts";
import type { DimensionTable } from "./dimension-table.ts";
import { TidemarkError } from "./errors.ts";
import type { EventType } from "./event.ts";
import type { DeclaredApp } from "./row-types.ts";
import { familyPattern } from "./version.ts";
import type { View } from "./view.ts";

export interface BatchDeclaration {
  /** Cron expression (five or six fields); null: runs are started by hand only. Default: every five minutes. */
  readonly schedule: string | null;
  /**
   * Cron expression of the runs that compute every view from all records; the others go on from the generation that serves,
   * where a view's states merge exactly. "always": every run. Default: every night at three.
   */
  readonly full: string;
  /** IANA zone of both. Default UTC. */
  readonly timezone: string;
  /** How many generations of each view are kept, the one that serves included. Default 3. */
  readonly keep: number;
}

export interface App {
  readonly kind: "app";
  readonly name: string;
  /** Those that are declared, then those that keep dimension tables of events. */
  readonly views: readonly View[];
  /** Every dimension table that some view refers to. */
  readonly dimensions: readonly DimensionTable[];
  /** Every event type that some view is from, in order of name. */
  readonly events: readonly EventType[];
  readonly batch: BatchDeclaration;
}

export interface AppDeclaration<Views extends readonly View[] = readonly View[]> {
  readonly name: string;
  readonly views: Views;
  /** Event types to take in though no view is from them yet. */
  readonly events?: readonly EventType[];
  readonly batch?: Partial<BatchDeclaration>;
}

/** Declares an app: its views, their event types, and when batch runs. Throws TIDEMARK_DECLARATION_APP. */
export function defineApp<const Views extends readonly View[]>(
  declaration: AppDeclaration<Views>,
): DeclaredApp<Views> {
  const { name } = declaration;
  const dimensions = [
    ...new Set(declaration.views.flatMap(({ references }) => references.map(({ table }) => table))),
  ];
  const views = [
    ...declaration.views,
    ...dimensions.flatMap((table) => (table.kind === "events" ? [table.view] : [])),
  ];
  const fail = (reason: string): never => {
    throw new TidemarkError("TIDEMARK_DECLARATION_APP", `app "${name}": ${reason}`);
  };
  if (!familyPattern.test(name)) fail(`a name is lower-case letters, digits and "-"`);
  const viewNames = new Set<string>();
  for (const { name, family, version } of views) {
    if (viewNames.has(name) && version > 1)
      fail(`view "${family}" has two declarations of version ${version}: give each a number of its own`);
    if (viewNames.has(name))
      fail(
        `two views are named "${name}" (a dimension of events is a view, too); what is to follow another is its next version, version: 2`,
      );
    viewNames.add(name);
  }
  const tableNames = new Set<string>();
  for (const table of dimensions) {
    if (tableNames.has(table.name)) fail(`two dimensions are named "${table.name}"`);
    tableNames.add(table.name);
  }
  const events = new Map<string, EventType>();
  for (const event of [
    ...views.flatMap((view) => view.mappings.map(({ event }) => event)),
    ...(declaration.events ?? []),
  ]) {
    if ((events.get(event.name) ?? event) !== event) fail(`two event types are named "${event.name}"`);
    events.set(event.name, event);
  }
  for (const view of views) {
    const topic = changesTopic(name, view);
    if (view.publish && events.has(topic))
      fail(
        `an event type is named "${topic}", where the changes of view "${view.name}" are to go: name one of them otherwise`,
      );
  }
  if (events.size === 0) fail("declare at least one view or event type");
  const batch = {
    ...{ schedule: "*/5 * * * *", full: "0 3 * * *", timezone: "UTC", keep: 3 },
    ...declaration.batch,
  };
  if (!Number.isInteger(batch.keep) || batch.keep < 1) fail(`batch.keep must be a whole number from 1`);
  return Object.freeze({
    kind: "app",
    name,
    views: Object.freeze(views),
    dimensions: Object.freeze(dimensions),
    events: Object.freeze([...events.values()].sort((a, b) => (a.name < b.name ? -1 : 1))),
    batch: Object.freeze(batch),
  });
}
