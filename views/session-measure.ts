import { addToJs, defineAggregate, type Measure } from "./aggregate.ts";
import { TidemarkError } from "./errors.ts";
import { dependsOnOrder } from "./exact-merge.ts";
import { type PieceKind, SessionPieces } from "./session-pieces.ts";
import { mergeSketches } from "./state.ts";

/**
 * What a view of sessions keeps per key and pane: one measure, of one cell, whose fold adds to the piece that a record belongs
 * to, by those of the measures that records of its type are added to. Its SQL takes two steps and stands in
 * `batch-layer/session-sql.ts`. Throws TIDEMARK_DECLARATION_TYPE for measures that depend on the order of adding: cells of
 * sessions are compared bit for bit.
 */
export function sessionMeasure(
  view: string,
  name: string,
  kind: PieceKind,
  added: readonly Measure[],
): Measure {
  const loose = added.find(({ aggregate }) => dependsOnOrder(aggregate));
  if (loose !== undefined) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_TYPE",
      `view "${view}": measure "${loose.name}" adds floats, whose sum depends on the order; sessions are exact: give sum a scale, as in sum(x, { scale: 2 }), or use integers`,
    );
  }
  const empty = () => new SessionPieces(kind);
  const aggregate = defineAggregate({
    kind: "session",
    input: undefined,
    where: undefined,
    state: [
      {
        name: "pieces",
        type: "sketch",
        zero: null,
        format: `sessions-${kind.gapMs}`,
        decode: (text) => SessionPieces.decode(kind, text),
      },
    ],
    value: { type: "integer", nullable: false },
    add: (
      [cell],
      _input,
      scope,
    ) => `const session = (${cell} ??= ${scope.constant(empty)}()).at(${scope.time});
      ${added.map((measure) => addToJs(measure, "session", scope)).join("\n      ")}`,
    sql: () => [],
    merge: mergeSketches,
    present: (cells, i) => (cells[i] as SessionPieces | null)?.pieces.length ?? 0,
  });
  return Object.freeze({ name, aggregate, firstCell: 0 });
}
