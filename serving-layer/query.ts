import type { DimensionFiles } from "../infra/dimensions/dimension-file.ts";
import type { GenerationReader } from "../infra/generations/generations.ts";
import type { Segment, Tail } from "../infra/tail/tail.ts";
import type { App } from "../views/app.ts";
import { type Cut, formatPosition, positionCovered } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import type { StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";
import { type Clock, Turns } from "./clock.ts";
import { Comparison } from "./compare.ts";
import { type Join, joinedPlan, openJoin } from "./join.ts";
import type { KnownBound, LogBound } from "./log-bound.ts";
import { type Layer, type Query, readQuery } from "./parameters.ts";
import { type Plan, planOf } from "./plan.ts";
import { compileRowJson } from "./present.ts";
import { approximationsOf, formatOwn, provenanceOf } from "./provenance.ts";
import { Recent } from "./recent.ts";
import { collectTail, type Groups, type Rollup, scanGroups } from "./rollup.ts";
import {
  isPoint,
  isTotal,
  type Page,
  PageSink,
  pageInOrder,
  type RowGroup,
  readPoint,
  rowRollup,
  totalOfNothing,
} from "./rows.ts";
import { TailRows } from "./sessions.ts";
import { isShownAsStored, shownRows } from "./shown-rows.ts";
import type { Snapshot, Snapshots } from "./snapshot.ts";
import { TableStates, viewOf } from "./table-state.ts";

/** A query made ready, kept for when the same text comes again. */
interface Prepared {
  readonly plan: Plan;
  readonly rowJson: (row: StateRow) => string;
  readonly rollup: Rollup<RowGroup>;
  readonly approximate: string;
  answer: { readonly moment: Moment; readonly text: string } | undefined;
}

/** All that an answer depends on besides its query: equal moments give equal answers. */
interface Moment {
  readonly snapshot: Snapshot;
  /** Of the tail. */
  readonly version: number;
  readonly logEnd: KnownBound;
}

function isSameMoment(a: Moment, b: Moment): boolean {
  return a.snapshot.reader === b.snapshot.reader && a.version === b.version && a.logEnd === b.logEnd;
}

const preparedQueries = 1_024;
const keptAnswerLength = 16_384;

/** Answers questions about views from the snapshots. */
export class Queries {
  readonly #app: App;
  readonly #snapshots: Snapshots;
  readonly #tail: Tail;
  readonly #logEnd: LogBound;
  readonly #clock: Clock;
  readonly #prepared = new Recent<string, Prepared>(preparedQueries);
  readonly #provenances = new Map<string, { readonly moment: Moment; readonly text: string }>();
  readonly #comparison: Comparison;
  readonly #tables: TableStates;

  constructor(parts: {
    app: App;
    snapshots: Snapshots;
    tail: Tail;
    files: DimensionFiles;
    logEnd: LogBound;
    clock: Clock;
  }) {
    this.#app = parts.app;
    this.#snapshots = parts.snapshots;
    this.#tail = parts.tail;
    this.#logEnd = parts.logEnd;
    this.#clock = parts.clock;
    this.#comparison = new Comparison(parts.snapshots);
    this.#tables = new TableStates(parts);
  }

  /** Throws TIDEMARK_QUERY_VIEW_UNKNOWN naming those that there are. */
  view(name: string): View {
    const view = this.#app.views.find((candidate) => candidate.name === name);
    if (view !== undefined) return view;
    const names = this.#app.views.map((candidate) => candidate.name);
    throw new TidemarkError(
      "TIDEMARK_QUERY_VIEW_UNKNOWN",
      `there is no view "${name.slice(0, 100)}"; there are ${names.join(", ")}`,
    );
  }

  /** The answer as JSON text, if it takes neither waiting nor a scan. */
  rowsAtOnce(view: string, search: string): string | undefined {
    const prepared = this.#prepare(view, search);
    const logEnd = this.#logEnd.known();
    const { query } = prepared.plan;
    if (logEnd === undefined || !this.#isCovered(query) || this.#ungenerated(query).length > 0)
      return undefined;
    const moment = this.#moment(query, logEnd);
    const { answer } = prepared;
    if (answer !== undefined && isSameMoment(answer.moment, moment)) return answer.text;
    if (!isPoint(prepared.plan, moment.snapshot.reader)) return undefined;
    const text = this.#point(prepared, moment);
    if (text.length <= keptAnswerLength) prepared.answer = { moment, text };
    return text;
  }

  /** The answer as JSON text; waits for the position of `after` and gives up the thread while it scans. */
  async rows(view: string, search: string, isGone: () => boolean): Promise<string> {
    const prepared = this.#prepare(view, search);
    const { plan } = prepared;
    await this.#reached(plan.query);
    const moment = this.#moment(plan.query, await this.#logEnd.current());
    if (isPoint(plan, moment.snapshot.reader)) return this.#point(prepared, moment);
    return this.#scan(prepared, moment, isGone);
  }

  /** What the query asks for, once the position of `after` is covered. */
  async planned(view: string, search: string): Promise<Plan> {
    const { plan } = this.#prepare(view, search);
    await this.#reached(plan.query);
    return plan;
  }

  /** The answer of `compare` as JSON text. */
  async compare(view: string, search: string, isGone: () => boolean): Promise<string> {
    const plan = planOf(readQuery(this.view(view), "compare", search, this.#app.events));
    await this.#snapshots.look(plan.query.stored);
    await this.#reached(plan.query);
    const logEnd = await this.#logEnd.current();
    const { snapshot } = this.#moment(plan.query, logEnd);
    const position = this.#tail.position(plan.query.stored);
    const turns = new Turns(this.#clock, isGone);
    const join = openJoin(this.#tables, plan.query);
    try {
      const provenance = provenanceOf("merged", snapshot, position, logEnd);
      const joined = joinedPlan(plan, join);
      const { page, reconciliation } = await this.#comparison.compare(joined, snapshot, turns);
      const approximate = approximationsOf(plan.query);
      return answerJson(
        page,
        JSON.stringify({ ...provenance, approximate, ...dimensionsOf(join, logEnd), reconciliation }),
      );
    } finally {
      join[Symbol.dispose]();
    }
  }

  #prepare(viewName: string, search: string): Prepared {
    const key = `${viewName}?${search}`;
    const known = this.#prepared.get(key);
    if (known !== undefined) return known;
    const view = this.view(viewName);
    const query = readQuery(view, "rows", search, this.#app.events);
    const rowJson = compileRowJson(query);
    const prepared: Prepared = {
      plan: planOf(query),
      rowJson: ({ dimensions, pane, cells }) => rowJson(dimensions, pane, cells),
      rollup: rowRollup(query.view),
      approximate: JSON.stringify(approximationsOf(query)),
      answer: undefined,
    };
    this.#prepared.set(key, prepared);
    return prepared;
  }

  #moment({ stored: view, layer }: Query, logEnd: KnownBound): Moment {
    const snapshot = layer === "batch" ? this.#snapshots.batch(view) : this.#snapshots.serving(view);
    if (snapshot === undefined) {
      throw new TidemarkError(
        "TIDEMARK_QUERY_NO_GENERATION",
        `view "${view.name}" has no generation yet: start a run with POST /v1/batch/runs, or ask without layer=batch`,
      );
    }
    return { snapshot, version: this.#tail.version, logEnd };
  }

  #point(prepared: Prepared, { snapshot, version, logEnd }: Moment): string {
    const { plan, rowJson, rollup } = prepared;
    const { layer, view } = plan.query;
    const segments = layer === "batch" ? [] : this.#snapshots.segments(snapshot);
    let groups = readPoint(plan, rollup, layer === "speed" ? undefined : snapshot.reader, segments);
    if (groups.length === 0 && isTotal(plan.query)) groups = [totalOfNothing(view)];
    const page = plan.isTimeOrdered ? pageInOrder(plan, groups, rowJson) : pageSorted(plan, groups, rowJson);
    return answerJson(page, this.#provenance(prepared, { snapshot, version, logEnd }));
  }

  async #scan(prepared: Prepared, moment: Moment, isGone: () => boolean): Promise<string> {
    const { rowJson, rollup } = prepared;
    const { layer, view } = prepared.plan.query;
    const { snapshot } = moment;
    const segments = layer === "batch" ? [] : this.#snapshots.segments(snapshot);
    const reader = layer === "speed" ? undefined : snapshot.reader;
    // The tail's part, the tables and the provenance are of one moment: no await stands between them.
    const join = openJoin(this.#tables, prepared.plan.query);
    const hold = this.#snapshots.hold(snapshot);
    try {
      const plan = joinedPlan(prepared.plan, join);
      const { source, ahead } = sourceOf(plan, reader, segments, rollup);
      const provenance = this.#provenance(prepared, moment, join);
      const sink = new PageSink<RowGroup>(plan, ({ cells }) => cells);
      await scanGroups(plan, source, ahead, rollup, sink, new Turns(this.#clock, isGone));
      if (sink.isEmpty && isTotal(plan.query)) sink.offer(totalOfNothing(view));
      return answerJson(sink.page(rowJson), provenance);
    } finally {
      hold[Symbol.dispose]();
      join[Symbol.dispose]();
    }
  }

  /** Made once per view, layer and moment; the part that queries choose is put in last. */
  #provenance({ plan, approximate }: Prepared, moment: Moment, join?: Join): string {
    const { stored: view, layer } = plan.query;
    const key = `${view.name} ${layer}`;
    const known = this.#provenances.get(key);
    let text = known !== undefined && isSameMoment(known.moment, moment) ? known.text : undefined;
    if (text === undefined) {
      const position = layer === "batch" ? moment.snapshot.cut : this.#tail.position(view);
      text = JSON.stringify(provenanceOf(layer, moment.snapshot, position, moment.logEnd)).slice(0, -1);
      this.#provenances.set(key, { moment, text });
    }
    const dimensions =
      join === undefined ? "" : JSON.stringify(dimensionsOf(join, moment.logEnd)).slice(1, -1);
    return `${text},"approximate":${approximate}${dimensions === "" ? "" : `,${dimensions}`}}`;
  }

  #position(view: View, layer: Layer): Cut {
    if (layer !== "batch") return this.#tail.position(view);
    return this.#snapshots.batch(view)?.cut ?? {};
  }

  /** The view, and those that its tables' attributes are from. */
  #viewsOf({ stored, attributes }: Query): readonly View[] {
    const tables = attributes.flatMap(({ table }) =>
      table.kind === "events" ? [viewOf(this.#app, table)] : [],
    );
    return [stored, ...tables];
  }

  /** What a query of the batch layer needs a generation of and is not known to have one. */
  #ungenerated(query: Query): readonly View[] {
    if (query.layer !== "batch") return [];
    return this.#viewsOf(query).filter((view) => this.#snapshots.batch(view) === undefined);
  }

  /** Waits for what the query asks to be there; TIDEMARK_QUERY_AFTER if it is not in time. */
  async #reached(query: Query): Promise<void> {
    for (const view of this.#ungenerated(query)) await this.#snapshots.look(view);
    await this.#covered(query);
  }

  #isCovered(query: Query): boolean {
    const { after, layer } = query;
    if (after === undefined) return true;
    return this.#viewsOf(query).every((one) => {
      const own = new Map(
        [...after].filter(([topic]) => one.mappings.some(({ event }) => event.name === topic)),
      );
      return positionCovered(this.#position(one, layer), own);
    });
  }

  /** Waits until the position that the query names is covered; TIDEMARK_QUERY_AFTER if it is not in time. */
  async #covered(query: Query): Promise<void> {
    const { after, timeoutMs, stored: view, layer } = query;
    if (after === undefined || this.#isCovered(query)) return;
    const { promise, resolve } = withResolvers();
    const ends = [
      this.#snapshots.onChange(() => this.#isCovered(query) && resolve(true)),
      this.#clock.after(timeoutMs, () => resolve(false)),
    ];
    const isCovered = await promise;
    for (const end of ends) end[Symbol.dispose]();
    if (isCovered) return;
    throw new TidemarkError(
      "TIDEMARK_QUERY_AFTER",
      `${formatPosition(after)} was not covered within ${timeoutMs} ms; view "${view.name}" is at ${formatOwn(view, this.#position(view, layer))}: ask again, or give a longer timeout`,
    );
  }
}

/** What is scanned, and what of the tail is put in front of it; sessions and overlapping windows are put together from both first. */
function sourceOf(
  plan: Plan,
  reader: GenerationReader | undefined,
  segments: readonly Segment[],
  rollup: Rollup<RowGroup>,
): { source: Pick<GenerationReader, "scan"> | undefined; ahead: Groups<RowGroup> } {
  const { stored } = plan.query;
  if (isShownAsStored(stored)) return { source: reader, ahead: collectTail(plan, segments, rollup) };
  const tail = new TailRows(plan, segments);
  const source = shownRows(stored, reader === undefined ? [tail] : [reader, tail]);
  return { source, ahead: new Map() };
}

/** By table the state that was used; nothing for a query without attributes. */
function dimensionsOf({ states }: Join, logEnd: KnownBound) {
  if (states.length === 0) return {};
  return {
    dimensions: Object.fromEntries(states.map((state) => [state.table.name, state.provenance(logEnd)])),
  };
}

function withResolvers(): { promise: Promise<boolean>; resolve: (value: boolean) => void } {
  let resolve: (value: boolean) => void = () => undefined;
  const promise = new Promise<boolean>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

function pageSorted(plan: Plan, groups: readonly StateRow[], json: (row: StateRow) => string): Page {
  const sink = new PageSink<StateRow>(plan, ({ cells }) => cells);
  for (const group of groups) sink.offer(group);
  return sink.page(json);
}

function answerJson({ rows, cursor }: Page, provenance: string): string {
  return `{"rows":[${rows.join(",")}],"cursor":${cursor === null ? "null" : `"${cursor}"`},"provenance":${provenance}}`;
}
