import type { Aggregate, Measure } from "./aggregate.ts";
import { TidemarkError } from "./errors.ts";
import type { MappedDimension, Mapping } from "./mapping.ts";
import type { View } from "./view.ts";
import type { Window } from "./window.ts";

/** What a source of a view declares, read. */
export interface DeclaredMapping
  extends Pick<Mapping, "event" | "list" | "where" | "dimensions">,
    Pick<View, "window"> {
  readonly aggregates: Readonly<Record<string, Aggregate>>;
}

/**
 * A view's sources as one: with the dimensions and the window in which they agree, and a measure for each name. Throws
 * TIDEMARK_DECLARATION_* where they do not. The topics come in order of their names, however they are declared.
 */
export function mergeMappings(
  view: string,
  declared: readonly DeclaredMapping[],
): Pick<View, "dimensions" | "window" | "mappings"> & { readonly measures: readonly Measure[] } {
  const [first, ...others] = declared;
  if (first === undefined) throw disagreement(view, "is from nothing: give at least one source");
  const { dimensions, window } = first;
  for (const other of others) requireSameKey(view, first, other);
  const isOfSeveral = others.length > 0;
  const measures = mergeMeasures(view, declared, isOfSeveral);
  const mappings = declared.map(({ event, list, where, aggregates, ...own }) =>
    Object.freeze({
      event,
      list,
      where,
      dimensions: Object.freeze(dimensions.map(({ name }) => named(own.dimensions, name))),
      measures: Object.freeze(
        measures.flatMap(({ name, firstCell }) => {
          const aggregate = Object.hasOwn(aggregates, name) ? aggregates[name] : undefined;
          return aggregate === undefined
            ? []
            : [Object.freeze({ name, aggregate: inView(aggregate, isOfSeveral), firstCell })];
        }),
      ),
    }),
  );
  mappings.sort((a, b) => (a.event.name < b.event.name ? -1 : 1));
  const twice = mappings.find(({ event }, i) => mappings[i + 1]?.event.name === event.name);
  if (twice !== undefined) {
    throw disagreement(
      view,
      `has two sources of "${twice.event.name}": an event counts in one row only; declare two views`,
    );
  }
  return {
    dimensions: Object.freeze(
      dimensions.map(({ name, type }) => {
        const nullable = mappings.some((mapping) => named(mapping.dimensions, name).nullable);
        return Object.freeze({ name, type, nullable });
      }),
    ),
    window,
    measures,
    mappings: Object.freeze(mappings),
  };
}

/** Where a group may be of records of another type alone. */
function inView(aggregate: Aggregate, isOfSeveral: boolean): Aggregate {
  return isOfSeveral ? (aggregate.sparse?.() ?? aggregate) : aggregate;
}

function named(dimensions: readonly MappedDimension[], name: string): MappedDimension {
  return dimensions.find((dimension) => dimension.name === name) as MappedDimension;
}

function requireSameKey(view: string, first: DeclaredMapping, other: DeclaredMapping): void {
  const [mine, theirs] = [first, other].map(keyInWords);
  if (keyMeaning(first) === keyMeaning(other)) return;
  throw disagreement(
    view,
    `tells rows of "${first.event.name}" apart by ${mine}, those of "${other.event.name}" by ${theirs}: dimensions must agree in names and types, windows in all`,
  );
}

function keyMeaning({ dimensions, window }: DeclaredMapping): string {
  const { text: _, ...meaning } = window?.window ?? {};
  const types = dimensions
    .map(({ name, type }) => [name, type])
    .sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  return JSON.stringify([types, window === undefined ? null : [window.name, meaning]]);
}

function keyInWords({ dimensions, window }: DeclaredMapping): string {
  const words = dimensions.map(({ name, type }) => `${name} (${type})`);
  if (window !== undefined) words.push(`${window.name} (${windowInWords(window.window)})`);
  return words.length === 0 ? "nothing" : words.join(", ");
}

function windowInWords(window: Window): string {
  const zone = window.kind === "calendar" ? ` of ${window.calendar.zone.name}` : "";
  return `${window.kind} ${window.text}${zone}`;
}

function mergeMeasures(
  view: string,
  declared: readonly DeclaredMapping[],
  isOfSeveral: boolean,
): readonly Measure[] {
  const measures = new Map<string, Measure>();
  let firstCell = 0;
  for (const { event, aggregates } of declared) {
    if (isOfSeveral && Object.keys(aggregates).length === 0) {
      throw disagreement(view, `measures nothing of "${event.name}": give each source at least one measure`);
    }
    for (const [name, each] of Object.entries(aggregates)) {
      const aggregate = inView(each, isOfSeveral);
      const known = measures.get(name);
      if (known === undefined) {
        measures.set(name, Object.freeze({ name, aggregate, firstCell }));
        firstCell += aggregate.state.length;
      } else if (stateMeaning(known.aggregate) !== stateMeaning(aggregate)) {
        throw disagreement(
          view,
          `measures "${name}" as ${inWords(aggregate)} of "${event.name}", and as ${inWords(known.aggregate)} of a source before it: a measure of several sources is the same aggregate of the same type in each`,
        );
      }
    }
  }
  if (measures.size === 0) throw disagreement(view, "measures nothing: give at least one measure");
  return Object.freeze([...measures.values()]);
}

/** Equal for aggregates whose states merge and are shown the same. */
function stateMeaning({ kind, input, state, value, shown }: Aggregate): string {
  const columns = state.map(({ name, type, zero, format }) => [name, type, zero, format]);
  return JSON.stringify([kind, input?.type, columns, value.type, shown]);
}

function inWords({ kind, input, state, shown }: Aggregate): string {
  const formats = state.flatMap(({ format }) => (format === undefined ? [] : [format]));
  const details = [...formats, ...(shown === undefined ? [] : [shown])].join(", ");
  return `${kind}${input === undefined ? "" : ` of ${input.type}`}${details === "" ? "" : ` (${details})`}`;
}

function disagreement(view: string, reason: string): TidemarkError {
  return new TidemarkError("TIDEMARK_DECLARATION_VIEW", `view "${view}" ${reason}`);
}
