import { TailSegment } from "../../infra/tail/segment.ts";
import type { Tail } from "../../infra/tail/tail.ts";
import type { App } from "../../views/app.ts";
import { type Cut, formatCut, type Offset, offset, offsetAt, recordsBetween } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { EventType } from "../../views/event.ts";
import { isFolded } from "../../views/layers.ts";
import { encodeCell, type StateRow } from "../../views/state.ts";
import { shownView } from "../../views/view.ts";
import { Admission } from "../admission.ts";
import type { Clock } from "../clock.ts";
import { readLayer } from "../layer.ts";
import type { KnownBound, LogBound } from "../log-bound.ts";
import { approximationsOf, type Provenance, provenanceOf } from "../provenance.ts";
import type { Snapshots } from "../snapshot.ts";
import type { Versions } from "../versions.ts";
import type { SqlEngine, SqlFormat, SqlOutcome, SqlParameters, SqlTable, TailRow } from "./engine.ts";
import type { SqlLimits } from "./limits.ts";
import { type Named, TableNames } from "./table-names.ts";

export interface SqlRequest {
  readonly sql: string;
  readonly parameters: SqlParameters;
  readonly format: SqlFormat;
}

/** What an answer rests on, by the names of views and event types. */
export interface SqlProvenance {
  readonly views: Readonly<
    Record<string, Provenance & { readonly approximate: Readonly<Record<string, string>> }>
  >;
  readonly events: Readonly<Record<string, Pick<Provenance, "position" | "lag" | "complete">>>;
}

export interface SqlAnswer extends SqlOutcome {
  /** The rows as the request's format has them, in pieces. */
  readonly text: readonly string[];
  readonly provenance: SqlProvenance;
}

export interface SqlParts {
  readonly app: App;
  readonly versions: Versions;
  readonly snapshots: Snapshots;
  readonly tail: Tail;
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

  async #run({ sql, parameters, format }: SqlRequest, gone: AbortSignal): Promise<SqlAnswer> {
    const { engine, limits, logEnd, clock } = this.#parts;
    const named = byTable(await engine.check(sql), this.#names);
    gone.throwIfAborted();
    const late = new AbortController();
    using _ = clock.after(limits.timeoutMs, () => late.abort(timedOut(limits)));
    const signal = AbortSignal.any([gone, late.signal]);
    const end = await logEnd.current();
    // No await stands between the tables: they are of one moment.
    const tables = [...named].map(([table, names]) => this.#table(table, names));
    const provenance = this.#provenance([...named.keys()], end);
    const text: string[] = [];
    const { rows, bytes } = limits;
    const outcome = await engine.run(
      { sql, parameters, tables, format, rows, bytes },
      (piece) => void text.push(piece),
      signal,
    );
    return { ...outcome, text, provenance };
  }

  #table(named: Named, names: readonly string[]): SqlTable {
    if (named.kind === "events") {
      const { name } = named.event;
      return { kind: "events", names, event: name, nexts: this.#position(named.event) };
    }
    const { view } = named;
    const { snapshots } = this.#parts;
    const snapshot = snapshots.serving(view);
    const rows = new TailSegment(view, 0, offset(0));
    for (const { panes } of snapshots.segments(snapshot)) {
      for (const entries of panes.values()) for (const entry of entries.values()) rows.mergeRow(entry);
    }
    return {
      ...{ kind: "view", names, view: view.name },
      generation: snapshot.reader?.manifest.id ?? null,
      tail: encoded(rows.entries()),
    };
  }

  #provenance(used: readonly Named[], end: KnownBound): SqlProvenance {
    const { snapshots } = this.#parts;
    const views = used.flatMap((named) => {
      if (named.kind === "events") return [];
      const { view } = named;
      const layer = readLayer(view);
      const provenance = provenanceOf(layer, snapshots.serving(view), snapshots.position(view), end);
      return [[view.name, { ...provenance, approximate: approximationsOf(shownView(view)) }] as const];
    });
    const events = used.flatMap((named) => {
      if (named.kind === "view") return [];
      const { name } = named.event;
      const position: Cut = { [name]: this.#position(named.event) };
      const lag = recordsBetween(position, { [name]: end.cut[name] ?? [] });
      return [[name, { position: formatCut(position), lag, complete: lag === 0 && end.isCurrent }] as const];
    });
    return { views: Object.fromEntries(views), events: Object.fromEntries(events) };
  }

  /** Events are those that the tails of their type's views have; of a type that has none, those of the log when it was last asked. */
  #position(event: EventType): readonly Offset[] {
    const { app, tail, logEnd } = this.#parts;
    const views = app.views.filter(
      (view) => isFolded(view) && view.mappings.some((mapping) => mapping.event === event),
    );
    const cuts = views.length === 0 ? [logEnd.known()?.cut ?? {}] : views.map((view) => tail.position(view));
    return Array.from({ length: event.partitions }, (_, partition) =>
      offset(Math.min(...cuts.map((cut) => offsetAt(cut, event.name, partition)))),
    );
  }
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
