import type { Measure } from "./aggregate.ts";
import { TidemarkError } from "./errors.ts";
import { sessionMeasure } from "./session-measure.ts";
import type { PieceKind } from "./session-pieces.ts";
import { compileSessionState, type SessionFields, sessionEnd, sessionFields } from "./sessions.ts";
import type { Measures } from "./source.ts";
import type { View, WindowDimension } from "./view.ts";
import { cellsOf, columnsOf, finish, type Unfinished } from "./view-columns.ts";
import type { SessionWindow } from "./window.ts";

export type ReadSessions = (session: SessionFields<Measures>) => Measures;

type OfSessions = WindowDimension & { readonly window: SessionWindow };

export function isOfSessions(window: WindowDimension): window is OfSessions {
  return window.window.kind === "session";
}

/** Measures over sessions, behind those over records. Throws TIDEMARK_DECLARATION_WINDOW where there are no sessions. */
export function readSessions(
  view: string,
  window: WindowDimension | undefined,
  measured: readonly Measure[],
  declared: ReadSessions | undefined,
): readonly Measure[] {
  if (window === undefined || !isOfSessions(window)) {
    if (declared === undefined) return [];
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_WINDOW",
      `view "${view}" has measures over sessions but no sessions: give it a window of them, as in by: (f) => ({ visitor: f.visitor, visit: session("30m") })`,
    );
  }
  const fields = sessionFields(view, measured);
  const aggregates = declared?.(fields) ?? {};
  let firstCell = cellsOf(measured);
  return Object.entries({ ...aggregates, [`${window.name}End`]: sessionEnd }).map(([name, aggregate]) => {
    const measure = Object.freeze({ name, aggregate, firstCell });
    firstCell += aggregate.state.length;
    return measure;
  });
}

/** Kept as pieces of sessions, shown as sessions. */
export function sessionView(
  view: Unfinished & { readonly window: OfSessions },
  measured: readonly Measure[],
  over: readonly Measure[],
): View {
  const { name, window } = view;
  const { gapMs } = window.window;
  const shown = finish({
    ...view,
    window: Object.freeze({ ...window, window: Object.freeze({ ...window.window, widthMs: 1 }) }),
  });
  const stateOf = compileSessionState(name, measured, over);
  const kind: PieceKind = Object.freeze({ gapMs, measures: measured, columns: columnsOf(measured) });
  const piecesOf = (added: readonly Measure[]) =>
    Object.freeze([sessionMeasure(name, window.name, kind, added)]);
  const mappings = view.mappings.map((mapping) =>
    Object.freeze({ ...mapping, measures: piecesOf(mapping.measures), inSession: mapping.measures }),
  );
  return finish(
    { ...view, mappings: Object.freeze(mappings), measures: piecesOf(measured) },
    Object.freeze({ ...kind, shown, stateOf }),
  );
}
