import type { Client } from "../cli/client.ts";
import { formatCount } from "../cli/quantity.ts";
import { type Lines, loadLines } from "./lines.ts";
import { alternate, atLeast, type Row, settle } from "./rounds.ts";

const rounds = 3;
const eventsPerRound = 300_000;

/** How many events `benchIngest` leaves in the log. */
export const ingestedEvents = rounds * eventsPerRound;

/**
 * Events acknowledged as durable per second, against nothing but parsing the same lines in one process. `folded` names a
 * view that is asked for after each round, so that folding what came in does not run into the other side's time.
 */
export async function benchIngest(client: Client, what: string, folded: string | undefined): Promise<Row> {
  const lines: Lines[] = [];
  for (let round = 0; round < rounds; round++) {
    lines.push(await loadLines(round * eventsPerRound, eventsPerRound));
  }
  const ours = async (round: number) => {
    settle();
    const { pieces = [], events = 0 } = lines[round] ?? {};
    const startedAt = performance.now();
    const { accepted, position } = await client.ingest({ body: pieces, contentType: "application/x-ndjson" });
    const seconds = (performance.now() - startedAt) / 1000;
    if (accepted !== events) throw new Error(`${accepted} of ${events} events were accepted`);
    if (folded !== undefined) await untilCovered(client, folded, position);
    return events / seconds;
  };
  const theirs = (round: number) => {
    settle();
    const { pieces = [], events = 0 } = lines[round] ?? {};
    const startedAt = performance.now();
    if (parseAll(pieces) !== events) throw new Error("not every line was parsed");
    return (events * 1000) / (performance.now() - startedAt);
  };
  const { ours: rate, theirs: parsed, ratio } = await alternate(rounds, ours, theirs);
  return {
    what,
    against: "`JSON.parse` loop over the same bytes",
    mark: atLeast(0.3),
    aim: atLeast(0.6),
    measured: ratio,
    detail: `${formatCount(Math.round(rate))} against ${formatCount(Math.round(parsed))} events/s`,
  };
}

async function untilCovered(client: Client, view: string, position: string): Promise<void> {
  await client.rows(view, { groupBy: "", measures: "flights", after: position, timeout: "30s" });
}

function parseAll(pieces: readonly Buffer[]): number {
  let parsed = 0;
  for (const piece of pieces) {
    const text = piece.toString();
    for (let from = 0, to = text.indexOf("\n"); to !== -1; from = to + 1, to = text.indexOf("\n", from)) {
      const event = JSON.parse(text.slice(from, to)) as { readonly id: string };
      if (event.id !== "") parsed++;
    }
  }
  return parsed;
}
