import { everything, type Sight } from "../infra/access/rights.ts";
import type { DimensionFiles } from "../infra/dimensions/dimension-file.ts";
import type { Segment, Tail } from "../infra/tail/tail.ts";
import type { App } from "../views/app.ts";
import { TidemarkError } from "../views/errors.ts";
import { namesOf } from "../views/version.ts";
import type { View } from "../views/view.ts";
import { type Planner, planBy } from "./access-path.ts";
import { type Answer, answerJson, answerOf } from "./answer.ts";
import type { AsOf } from "./as-of/as-of.ts";
import { offersRun } from "./as-of/offer.ts";
import type { Pasts } from "./as-of/pasts.ts";
import { noGeneration } from "./building.ts";
import { type Clock, Turns } from "./clock.ts";
import type { ColumnScans } from "./column-scan.ts";
import { Comparison } from "./compare.ts";
import { Coverage } from "./coverage.ts";
import { Account } from "./explain.ts";
import { Grounds, isSameMoment, type Moment, tablesOf, tagOf } from "./grounds.ts";
import { joinedPlan, openJoin } from "./join.ts";
import type { KnownBound, LogBound } from "./log-bound.ts";
import { type Query, readQuery } from "./parameters.ts";
import { type Plan, planOf } from "./plan.ts";
import { Prepared } from "./prepared.ts";
import { measuresJson } from "./present.ts";
import { approximationsOf } from "./provenance.ts";
import { readRows } from "./read-rows.ts";
import { Recent } from "./recent.ts";
import { isTotal, pageInOrder, pageSorted, readPointPage, totalOfNothing } from "./rows.ts";
import { isVisible, keepToSight } from "./sight.ts";
import type { Snapshots } from "./snapshot.ts";
import { TableStates } from "./table-state.ts";
import type { Versions } from "./versions.ts";

const preparedQueries = 1_024;
const keptAnswerLength = 16_384;

export interface QueriesParts {
  readonly app: App;
  readonly versions: Versions;
  readonly snapshots: Snapshots;
  readonly pasts: Pasts;
  readonly tail: Tail;
  readonly files: DimensionFiles;
  readonly logEnd: LogBound;
  readonly clock: Clock;
  readonly planner: Planner;
  /** What reads by columns, if anything does. */
  readonly scans: ColumnScans | undefined;
  /** Part of every tag, and another one for each start: what an app shows of the same states may have changed since. */
  readonly salt: string;
}

/** Who waits for an answer. */
export interface Asker {
  isGone(): boolean;
  /** Whether they have the answer with this tag already. */
  isKnown(etag: string): boolean;
}

/** Answers questions about views from the snapshots. */
export class Queries {
  readonly #parts: QueriesParts;
  readonly #prepared = new Recent<string, Prepared>(preparedQueries);
  readonly #grounds: Grounds;
  readonly #coverage: Coverage;
  readonly #comparison = new Comparison();
  readonly #tables: TableStates;

  constructor(parts: QueriesParts) {
    this.#parts = parts;
    this.#grounds = new Grounds(parts.tail);
    this.#coverage = new Coverage(parts);
    this.#tables = new TableStates(parts);
    // What was made ready for a name may be of another version than it means now.
    parts.versions.onMove(() => this.#prepared.clear());
  }

  /** Those that a caller may read. */
  views(sight: Sight): readonly View[] {
    return this.#parts.app.views.filter((view) => isVisible(view, sight));
  }

  /** What the name means now. Throws TIDEMARK_QUERY_VIEW_UNKNOWN naming those that the caller may read. */
  view(name: string, sight = everything): View {
    const view = this.#parts.versions.find(name);
    if (view !== undefined && isVisible(view, sight)) return view;
    const names = namesOf(this.views(sight));
    throw new TidemarkError(
      "TIDEMARK_QUERY_VIEW_UNKNOWN",
      `there is no view "${name.slice(0, 100)}"; there are ${names.join(", ")}`,
    );
  }

  /** The answer, if it takes neither waiting nor a scan. */
  rowsAtOnce(view: string, search: string, sight: Sight): Answer | undefined {
    const prepared = this.#prepare(view, search, sight);
    const { query } = prepared.plan;
    const logEnd = this.#parts.logEnd.known();
    if (query.asOf !== undefined || logEnd === undefined || !this.#coverage.isReached(query))
      return undefined;
    const moment = this.#moment(query, logEnd);
    const { answer: kept } = prepared;
    if (kept !== undefined && isSameMoment(kept.moment, moment)) return kept.answer;
    if (!this.#isPlainPoint(prepared, moment)) return undefined;
    const answer = this.#point(prepared, moment);
    if (answer.text.length <= keptAnswerLength) prepared.answer = { moment, answer };
    return answer;
  }

  /** Waits for the position of `after`, or until the past of `asOf` is made, and gives up the thread while it scans. */
  async rows(view: string, search: string, sight: Sight, asker: Asker): Promise<Answer> {
    const prepared = this.#prepare(view, search, sight);
    const { query } = prepared.plan;
    if (query.asOf !== undefined) {
      using moment = await this.#pastMoment(query, query.asOf);
      return await this.#answer(prepared, moment, asker);
    }
    await this.#coverage.reached(query);
    return this.#answer(prepared, this.#moment(query, await this.#parts.logEnd.current()), asker);
  }

  async #answer(prepared: Prepared, moment: Moment, asker: Asker): Promise<Answer> {
    return this.#isPlainPoint(prepared, moment)
      ? this.#point(prepared, moment)
      : this.#scan(prepared, moment, asker);
  }

  /** What the query asks for, once the position of `after` is covered. */
  async planned(view: string, search: string, sight: Sight): Promise<Plan> {
    const { plan } = this.#prepare(view, search, sight);
    await this.#coverage.reached(plan.query);
    return plan;
  }

  /** The answer of `compare` as JSON text. */
  async compare(view: string, search: string, sight: Sight, isGone: () => boolean): Promise<string> {
    const { app, snapshots } = this.#parts;
    const asked = readQuery(this.view(view, sight), "compare", search, app.events);
    const plan = planOf(keepToSight(asked, sight));
    const { query } = plan;
    if (query.asOf !== undefined) {
      using moment = await this.#pastMoment(query, query.asOf);
      return await this.#compared(plan, moment, isGone);
    }
    await snapshots.look(query.stored);
    await this.#coverage.reached(query);
    return this.#compared(plan, this.#moment(query, await this.#parts.logEnd.current()), isGone);
  }

  async #compared(plan: Plan, moment: Moment, isGone: () => boolean): Promise<string> {
    const { query } = plan;
    const { snapshot, logEnd } = moment;
    const turns = new Turns(this.#parts.clock, isGone);
    const segments = this.#segments(query, moment);
    using join = openJoin(this.#tables, query);
    using _hold = this.#hold(moment);
    const provenance = this.#grounds.provenance(query.stored, query.layer, moment);
    const joined = joinedPlan(plan, join);
    const { page, reconciliation } = await this.#comparison.compare(joined, snapshot, segments, turns);
    const approximate = approximationsOf(query);
    return answerJson(page.rows, {
      cursor: page.cursor,
      provenance: JSON.stringify({
        ...{ ...provenance, approximate, ...tablesOf(join, logEnd), reconciliation },
      }),
    });
  }

  #prepare(viewName: string, search: string, sight: Sight): Prepared {
    const key = `${sight.scope}${viewName}?${search}`;
    const known = this.#prepared.get(key);
    if (known !== undefined) return known;
    const view = this.view(viewName, sight);
    const query = keepToSight(readQuery(view, "rows", search, this.#parts.app.events), sight);
    const prepared = new Prepared(query, tagOf(`${this.#parts.salt} ${key}`));
    this.#prepared.set(key, prepared);
    return prepared;
  }

  #moment({ stored: view, layer }: Query, logEnd: KnownBound): Moment {
    const { snapshots, tail } = this.#parts;
    const snapshot = layer === "batch" ? snapshots.batch(view) : snapshots.serving(view);
    if (snapshot === undefined) throw noGeneration(view, ", or ask without layer=batch");
    return { snapshot, version: tail.version, logEnd, past: undefined };
  }

  /** To be disposed of. */
  async #pastMoment({ stored, layer }: Query, asOf: AsOf): Promise<Moment & Disposable> {
    const { pasts, tail, versions } = this.#parts;
    const logEnd = await this.#parts.logEnd.current();
    const opening = pasts.open(stored, layer, asOf, logEnd.cut);
    const past = await opening.catch(offersRun(versions, [stored], asOf));
    const { snapshot } = past;
    return { snapshot, version: tail.version, logEnd, past, [Symbol.dispose]: () => past[Symbol.dispose]() };
  }

  /** Keeps the moment's generation open; a moment of the past does so itself. */
  #hold({ snapshot, past }: Moment): Disposable | undefined {
    return past === undefined ? this.#parts.snapshots.hold(snapshot) : undefined;
  }

  /** The tail's part in an answer, of this moment. */
  #segments({ layer }: Query, { snapshot, past }: Moment): readonly Segment[] {
    if (layer === "batch") return [];
    return past === undefined ? this.#parts.snapshots.segments(snapshot) : past.segments;
  }

  /** Whether the answer is the page of a point query and nothing else, as most are: that needs no sink and no turns. */
  #isPlainPoint(prepared: Prepared, { snapshot }: Moment): boolean {
    const { fill, hasTotals, isExplained, format } = prepared.plan.query;
    const isPlain = format === "json" && fill === undefined && !hasTotals && !isExplained;
    const { planner, scans } = this.#parts;
    return isPlain && planner(prepared.paths(snapshot.reader, scans !== undefined)) === "point";
  }

  #point(prepared: Prepared, moment: Moment): Answer & { readonly kind: "json" } {
    const { plan, rowJson, rollup, approximate } = prepared;
    const { query } = plan;
    const segments = this.#segments(query, moment);
    const reader = query.layer === "speed" ? undefined : moment.snapshot.reader;
    let groups = readPointPage(plan, rollup, reader && prepared.group.of(reader), segments);
    if (groups.length === 0 && isTotal(query)) groups = [totalOfNothing(query.view)];
    const { rows, cursor } = plan.isTimeOrdered ? pageInOrder(plan, groups) : pageSorted(plan, groups);
    const { provenance, tag } = this.#grounds.of(query, approximate, moment);
    const texts = rows.map(({ dimensions, pane, cells }) => rowJson(dimensions, pane, cells));
    return { kind: "json", etag: prepared.etag(tag), text: answerJson(texts, { cursor, provenance }) };
  }

  async #scan(prepared: Prepared, moment: Moment, asker: Asker): Promise<Answer> {
    const { rowJson, rollup, approximate } = prepared;
    const { query } = prepared.plan;
    const { snapshot } = moment;
    const { clock, planner, scans } = this.#parts;
    const startMs = clock.now();
    const turns = new Turns(clock, () => asker.isGone());
    const segments = this.#segments(query, moment);
    const reader = query.layer === "speed" ? undefined : snapshot.reader;
    // The tail's part, the tables and the provenance are of one moment: no await stands between them.
    using join = openJoin(this.#tables, query);
    using _hold = this.#hold(moment);
    const { provenance, tag } = this.#grounds.of(query, approximate, moment, join);
    const etag = query.isExplained ? undefined : prepared.etag(tag);
    if (etag !== undefined && asker.isKnown(etag)) return { kind: "unchanged", etag };
    const paths = prepared.paths(reader, scans !== undefined);
    const path = planner(paths);
    const plan = joinedPlan(planBy(path, prepared.plan), join);
    const account = query.isExplained ? new Account({ plan, path, paths, reader, segments }) : undefined;
    const read = reader && account ? account.of(reader) : reader;
    const { page, totals, groups } = await readRows(
      { plan, path, reader: read, segments, rollup, scans },
      turns,
    );
    const explanation = account?.explain(groups, page.rows.length, clock.now() - startMs);
    const others = {
      provenance,
      ...(totals && { totals: measuresJson(query, totals) }),
      ...(explanation && { explain: JSON.stringify(explanation) }),
    };
    return answerOf(query, rowJson, page, others, etag);
  }
}
