import { createHash } from "node:crypto";
import { TidemarkError } from "./errors.ts";

/**
 * What the clocks of an IANA zone show: `offsetsMs[i]` more than UTC from `starts[i - 1]` on and before `starts[i]`.
 *
 * The rules are those of the Intl that the view is declared in, and go as a table into the fold and into the SQL: DuckDB
 * has rules of its own, of another year (in November 2026 five zones differed). Their hash is part of a view's meaning.
 */
export interface Zone {
  readonly name: string;
  readonly starts: readonly number[];
  readonly offsetsMs: readonly number[];
  readonly hash: string;
}

/** No zone had rules before; after it the last offset stays, since rules so far ahead are guesses. */
const firstProbe = Date.UTC(1840, 0, 1);
export const nextProbe = Date.UTC(2100, 0, 1);
/** Rules that hold for less are passed over, in both layers alike. */
const stepMs = 14 * 86_400_000;

const zones = new Map<string, Zone>();

/** Throws TIDEMARK_DECLARATION_TYPE for what is no IANA zone. Some 40 ms the first time that a zone is asked for. */
export function zoneOf(name: string): Zone {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const offsetAt = offsetsOf(name);
  const starts: number[] = [];
  const offsetsMs = [offsetAt(firstProbe)];
  for (let from = firstProbe; from < nextProbe; from += stepMs) {
    const offset = offsetAt(from + stepMs);
    if (offset === offsetsMs.at(-1)) continue;
    starts.push(firstWith(offset, offsetAt, from, from + stepMs));
    offsetsMs.push(offset);
  }
  const hash = createHash("sha256")
    .update(JSON.stringify([starts, offsetsMs]))
    .digest("hex")
    .slice(0, 8);
  const zone = Object.freeze({
    name,
    starts: Object.freeze(starts),
    offsetsMs: Object.freeze(offsetsMs),
    hash,
  });
  zones.set(name, zone);
  return zone;
}

/** Bisects to the first second at which the offset is this; it is at `to`, and not at `from`. */
function firstWith(offset: number, offsetAt: (ms: number) => number, from: number, to: number): number {
  let [before, after] = [from / 1000, to / 1000];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetAt(middle * 1000) === offset) after = middle;
    else before = middle;
  }
  return after * 1000;
}

function offsetsOf(name: string): (ms: number) => number {
  const format = formatOf(name);
  return (ms) => {
    // "1/1/1970, GMT-04:56:02"; UTC itself is "GMT".
    const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(ms));
    if (match === null) throw new Error(`no offset of ${name} in ${format.format(ms)}`);
    const [, sign, hours = "0", minutes = "0", seconds = "0"] = match;
    const offset = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
    return sign === "-" ? -offset : offset;
  };
}

function formatOf(name: string): Intl.DateTimeFormat {
  try {
    // Fixed offsets such as "+01:00" are taken by some versions of Node only.
    if (/^[A-Za-z]/.test(name)) {
      return new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new TidemarkError(
    "TIDEMARK_DECLARATION_TYPE",
    `"${name}" is no time zone: give the name of an IANA zone, such as "Europe/Berlin", or "UTC"`,
  );
}
