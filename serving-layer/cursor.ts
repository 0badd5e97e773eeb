import type { Value } from "../views/aggregate.ts";
import { TidemarkError } from "../views/errors.ts";
import type { OrderKey } from "./order.ts";

/**
 * Where a page ended: the order key of its last row and the hash of the query that it belongs to, as base64url. What
 * JSON has no number for goes as its text in an array.
 */
export function encodeCursor(hash: string, key: OrderKey): string {
  return Buffer.from(JSON.stringify([hash, ...key.map(encodeValue)])).toString("base64url");
}

/** Throws TIDEMARK_QUERY_CURSOR for anything but a cursor of the same query. */
export function decodeCursor(text: string, hash: string, length: number): OrderKey {
  const parts = parse(text);
  if (!Array.isArray(parts) || typeof parts[0] !== "string") {
    throw new TidemarkError("TIDEMARK_QUERY_CURSOR", `"${text.slice(0, 100)}" is no cursor of an answer`);
  }
  if (parts[0] !== hash || parts.length !== length + 1) {
    throw new TidemarkError(
      "TIDEMARK_QUERY_CURSOR",
      "this cursor belongs to another query: repeat the query that gave it with nothing changed but cursor, limit, format, after, timeout, totals and explain",
    );
  }
  return parts.slice(1).map(decodeValue);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString());
  } catch {
    return undefined;
  }
}

function encodeValue(value: Value): unknown {
  return typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value))
    ? [String(value)]
    : value;
}

function decodeValue(value: unknown): Value {
  if (!Array.isArray(value)) return value as Value;
  const text = String(value[0]);
  return /^-?\d+$/.test(text) ? BigInt(text) : Number(text);
}
