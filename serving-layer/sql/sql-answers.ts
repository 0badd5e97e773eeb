import { Lifecycle } from "../../infra/lifecycle.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import { type Cut, formatCut, offset, recordsBetween } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { encodeCell, type StateRow } from "../../views/state.ts";
import { shownView } from "../../views/view.ts";
import { Admission } from "../admission.ts";
import type { Clock } from "../clock.ts";
import { readLayer } from "../layer.ts";
import type { LogBound } from "../log-bound.ts";
import { approximationsOf, type Provenance, provenanceOf } from "../provenance.ts";
import type { Versions } from "../versions.ts";
import type { SqlEngine, SqlFormat, SqlOutcome, SqlParameters, SqlTable, TailRow } from "./engine.ts";
import type { SqlLimits } from "./limits.ts";
import { type PresentParts, presentMoment, type SqlMoment } from "./moment.ts";
import { type PastMomentParts, pastMoment } from "./past-moment.ts";
import { type Named, TableNames } from "./table-names.ts";

export interface SqlRequest {
  readonly sql: string;
  readonly parameters: SqlParameters;
  readonly format: SqlFormat;
  /** A past cut, as `rows` takes it; undefined: now. */
  readonly asOf: string | undefined;
}

/** What an answer rests on, by the names of views and event types. */
export interface SqlProvenance {
  readonly views: Readonly<
    Record<string, Provenance & { readonly approximate: Readonly<Record<string, string>> }>
  >;
  readonly events: Readonly<Record<string, Pick<Provenance, "position" | "lag" | "complete" | "asOf">>>;
}

export interface SqlAnswer extends SqlOutcome {
  /** The rows as the request's format has them, in pieces. */
  readonly text: readonly string[];
  readonly provenance: SqlProvenance;
}

export interface SqlParts extends PresentParts, PastMomentParts {
  readonly versions: Versions;
  readonly logEnd: LogBound;
  readonly engine: SqlEngine;
  readonly limits: SqlLimits;
  readonly clock: Clock;
}

/** Answers statements over views and events as of one moment. */
export class SqlAnswers {
  readonly #parts: SqlParts;
  readonly #names: TableNames;
  readonly #admission: Admission;

  constructor(parts: SqlParts) {
    this.#parts = parts;
    this.#names = new TableNames(parts.app, parts.versions);
    this.#admission = new Admission(parts.limits.running, parts.limits.waiting, busy);
  }

  /** TIDEMARK_SQL_*; the signal's reason if it aborts. */
  async answer(request: SqlRequest, gone: AbortSignal): Promise<SqlAnswer> {
    const { limits } = this.#parts;
    if (request.sql.length > limits.length) {
      throw new TidemarkError(
        "TIDEMARK_SQL_STATEMENT",
        `the statement has ${request.sql.length} characters; it may have ${limits.length} at most`,
      );
    }
    using _place = await this.#admission.enter(gone);
    return await this.#run(request, gone);
  }

  async #run({ sql, parameters, format, asOf }: SqlRequest, gone: AbortSignal): Promise<SqlAnswer> {
    const { engine, limits, logEnd, clock } = this.#parts;
    const named = byTable(await engine.check(sql), this.#names);
    gone.throwIfAborted();
    const late = new AbortController();
    using _ = clock.after(limits.timeoutMs, () => late.abort(timedOut(limits)));
    const signal = AbortSignal.any([gone, late.signal]);
    const end = await logEnd.current();
    const ends = new Lifecycle();
    try {
      const used = [...named.keys()];
      const moment =
        asOf === undefined
          ? presentMoment(this.#parts, end)
          : await pastMoment(this.#parts, used, asOf, end, signal, ends);
      // No await stands between the tables: they are of one moment.
      const tables = [...named].map(([table, names]) => tableOf(moment, table, names));
      const provenance = provenanceAt(moment, used);
      const text: string[] = [];
      const { rows, bytes } = limits;
      const outcome = await engine.run(
        { sql, parameters, tables, format, rows, bytes },
        (piece) => void text.push(piece),
        signal,
      );
      return { ...outcome, text, provenance };
    } finally {
      await ends[Symbol.asyncDispose]();
    }
  }
}

function tableOf(moment: SqlMoment, named: Named, names: readonly string[]): SqlTable {
  if (named.kind === "events") {
    return { kind: "events", names, event: named.event.name, nexts: moment.nexts(named.event) };
  }
  const { view } = named;
  const { snapshot, segments } = moment.view(view);
  const rows = new TailSegment(view, 0, offset(0));
  for (const segment of segments) for (const entry of segment.entries()) rows.mergeRow(entry);
  return {
    ...{ kind: "view", names, view: view.name },
    generation: snapshot.reader?.manifest.id ?? null,
    tail: encoded(rows.entries()),
  };
}

function provenanceAt(moment: SqlMoment, used: readonly Named[]): SqlProvenance {
  const { end, asOf } = moment;
  const views = used.flatMap((named) => {
    if (named.kind === "events") return [];
    const { view } = named;
    const { snapshot, position } = moment.view(view);
    const provenance = provenanceOf(readLayer(view), snapshot, position, end, asOf);
    return [[view.name, { ...provenance, approximate: approximationsOf(shownView(view)) }] as const];
  });
  const events = used.flatMap((named) => {
    if (named.kind === "view") return [];
    const { name } = named.event;
    const position: Cut = { [name]: moment.nexts(named.event) };
    const lag = recordsBetween(position, { [name]: end.cut[name] ?? [] });
    const complete = lag === 0 && end.isCurrent;
    const ground = { position: formatCut(position), lag, complete, ...(asOf !== undefined && { asOf }) };
    return [[name, ground] as const];
  });
  return { views: Object.fromEntries(views), events: Object.fromEntries(events) };
}

function byTable(names: readonly string[], tables: TableNames): ReadonlyMap<Named, readonly string[]> {
  const found = new Map<Named, string[]>();
  for (const name of names) {
    const named = tables.find(name);
    const others = found.get(named);
    // Names do not tell case apart: a second one of the same letters would be made twice.
    if (others === undefined) found.set(named, [name]);
    else if (!others.some((other) => other.toLowerCase() === name.toLowerCase())) others.push(name);
  }
  return found;
}

function* encoded(rows: Iterable<StateRow>): Generator<TailRow, void, undefined> {
  for (const { dimensions, pane, cells } of rows) yield [dimensions, pane, cells.map(encodeCell)];
}

function busy(running: number, waiting: number): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_SQL_BUSY",
    `${running} statements are running and ${waiting} are waiting: ask again later`,
  );
}

function timedOut({ timeoutMs }: SqlLimits): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_SQL_TIMEOUT",
    `the statement took more than ${timeoutMs / 1_000} s and was stopped: narrow it by WHERE, or read a view in place of events`,
  );
}
