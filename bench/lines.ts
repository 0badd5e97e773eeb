import { replay } from "../examples/flights/flights.ts";

/** Flights of the replay as NDJSON in memory, in pieces of about a megabyte. */
export interface Lines {
  readonly pieces: readonly Buffer[];
  readonly events: number;
}

export async function loadLines(from: number, limit: number): Promise<Lines> {
  const pieces: Buffer[] = [];
  let events = 0;
  for await (const piece of replay({ from, limit })) {
    const { buffer, byteOffset, byteLength } = piece.bytes;
    pieces.push(Buffer.from(buffer, byteOffset, byteLength));
    events += piece.events;
  }
  return { pieces, events };
}

/** Each line's bytes, without its newline. */
export function splitLines({ pieces }: Lines): Buffer[] {
  const lines: Buffer[] = [];
  for (const piece of pieces) {
    for (let from = 0, to = piece.indexOf(10); to !== -1; from = to + 1, to = piece.indexOf(10, from)) {
      lines.push(piece.subarray(from, to));
    }
  }
  return lines;
}
