/** What one gateway bears. Bytes are bytes, times milliseconds. */
export interface IngestionLimits {
  /** One event's text. */
  readonly eventBytes: number;
  /** A body that is held whole (JSON and CloudEvents); an NDJSON stream may be of any length. */
  readonly bodyBytes: number;
  /** How long a body may pause. */
  readonly stallMs: number;
  /** How long the rest of a body is still read once the request is answered, so that the client gets to read the answer. */
  readonly lingerMs: number;
  /** What all requests together may hold of bodies and of events that wait for the log. */
  readonly pendingBytes: number;
  /** Events are taken only while the disk has this much left. */
  readonly freeBytes: number;
}

export const defaultLimits: IngestionLimits = {
  eventBytes: 1024 * 1024,
  bodyBytes: 16 * 1024 * 1024,
  stallMs: 30_000,
  lingerMs: 5_000,
  pendingBytes: 64 * 1024 * 1024,
  freeBytes: 256 * 1024 * 1024,
};
