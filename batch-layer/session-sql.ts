import { quoteIdentifier } from "../views/expression.ts";
import type { Sessions } from "../views/view.ts";

export interface SessionSqlParts {
  readonly sessions: Sessions;
  /** The name of the state column. */
  readonly state: string;
  /** Dimensions, then the pane: what they are, and what they are called. */
  readonly key: readonly { readonly sql: string; readonly name: string }[];
  /** The states of a session, under the names of `sessions.columns`. */
  readonly states: readonly string[];
  /** FROM and WHERE of the records that count. */
  readonly records: string;
}

/**
 * Sessions by the three steps of gaps and islands: a record begins one where the record before it is further away than the
 * gap; how many have begun up to a record numbers its session; each number's records are one piece. Then the pieces of a pane
 * as one text, all its parts as texts: that is what `SessionPieces.decode` reads.
 *
 * The running sum takes in all records of an instant (RANGE), since which of them comes first is not told apart.
 */
export function sessionSql({ sessions, state, key, states, records }: SessionSqlParts): string {
  const [time, begins, number, first, last] = ["time", "begins", "number", "first", "last"].map(own) as [
    ...[string, string, string, string, string],
  ];
  const keys = key.map((_, i) => own(`key${i}`));
  const inOrder = `(PARTITION BY ${keys.join(", ")} ORDER BY ${time})`;
  const ofKey = key.map(({ sql }, i) => `${sql} AS ${keys[i]}`);
  const parts = [first, last, ...sessions.columns.map(({ name }) => quoteIdentifier(name))];
  const piece = `[${parts.map((part) => `CAST(${part} AS VARCHAR)`).join(", ")}]`;
  const positions = key.map((_, i) => i + 1);
  return `SELECT ${key.map(({ name }, i) => `${keys[i]} AS ${quoteIdentifier(name)}`).join(", ")},
CAST(to_json(list(${piece} ORDER BY ${first})) AS VARCHAR) AS ${quoteIdentifier(state)}
FROM (SELECT ${[...keys, number].join(", ")}, min(${time}) AS ${first}, max(${time}) AS ${last}, ${states.join(", ")}
FROM (SELECT *, sum(${begins}) OVER ${inOrder} AS ${number}
FROM (SELECT *, CASE WHEN lag(${time}) OVER ${inOrder} >= ${time} - ${sessions.gapMs} THEN 0 ELSE 1 END AS ${begins}
FROM (SELECT *, ${ofKey.join(", ")}, epoch_ms(_event_time) AS ${time} ${records})))
GROUP BY ${[...keys, number].join(", ")})
GROUP BY ${positions.join(", ")}
ORDER BY ${positions.map((position) => `${position} ASC NULLS FIRST`).join(", ")}`;
}

function own(name: string): string {
  return quoteIdentifier(`_session.${name}`);
}
