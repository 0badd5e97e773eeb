/**
 * Every stable error code of Tidemark, with the HTTP status it is answered with and whether trying the same
 * thing again later can succeed. Codes are a public contract: they are added, never renamed.
 */
export const errorCodes = {
  // declarations
  TIDEMARK_DECLARATION_NAME: { status: 500, canRetry: false },
  TIDEMARK_DECLARATION_FIELD: { status: 500, canRetry: false },
  TIDEMARK_DECLARATION_TYPE: { status: 500, canRetry: false },
  TIDEMARK_DECLARATION_WINDOW: { status: 500, canRetry: false },
  TIDEMARK_DECLARATION_VIEW: { status: 500, canRetry: false },
  TIDEMARK_DECLARATION_APP: { status: 500, canRetry: false },
  TIDEMARK_SCHEMA_REFUSED: { status: 500, canRetry: false },
  TIDEMARK_DECLARATION_DIMENSION: { status: 500, canRetry: false },
  // events
  TIDEMARK_EVENT_NOT_JSON: { status: 400, canRetry: false },
  TIDEMARK_EVENT_NOT_UTF8: { status: 400, canRetry: false },
  TIDEMARK_EVENT_ENVELOPE: { status: 400, canRetry: false },
  TIDEMARK_EVENT_TIME: { status: 400, canRetry: false },
  TIDEMARK_EVENT_TYPE_UNKNOWN: { status: 404, canRetry: false },
  TIDEMARK_EVENT_DATA: { status: 400, canRetry: false },
  TIDEMARK_EVENT_TOO_LARGE: { status: 413, canRetry: false },
  TIDEMARK_EVENT_EMPTY: { status: 400, canRetry: false },
  TIDEMARK_EVENT_ENCRYPTED: { status: 400, canRetry: false },
  TIDEMARK_CHANGE_TRUNCATE: { status: 400, canRetry: false },
  // ingest requests
  TIDEMARK_INGEST_BODY: { status: 400, canRetry: false },
  TIDEMARK_INGEST_BODY_TOO_LARGE: { status: 413, canRetry: false },
  TIDEMARK_INGEST_MEDIA_TYPE: { status: 415, canRetry: false },
  TIDEMARK_INGEST_ALL_REJECTED: { status: 400, canRetry: false },
  TIDEMARK_INGEST_STALLED: { status: 408, canRetry: true },
  TIDEMARK_INGEST_BUSY: { status: 429, canRetry: true },
  TIDEMARK_INGEST_DISK: { status: 503, canRetry: true },
  TIDEMARK_INGEST_LOG: { status: 503, canRetry: true },
  TIDEMARK_INGEST_ERASING: { status: 503, canRetry: true },
  // dead letters
  TIDEMARK_DEAD_LETTER_UNKNOWN: { status: 404, canRetry: false },
  TIDEMARK_DEAD_LETTER_CUT: { status: 409, canRetry: false },
  TIDEMARK_DEAD_LETTER_REPLAYED: { status: 409, canRetry: false },
  // queries
  TIDEMARK_QUERY_VIEW_UNKNOWN: { status: 404, canRetry: false },
  TIDEMARK_QUERY_PARAMETER_UNKNOWN: { status: 400, canRetry: false },
  TIDEMARK_QUERY_PARAMETER: { status: 400, canRetry: false },
  TIDEMARK_QUERY_DIMENSION_UNKNOWN: { status: 400, canRetry: false },
  TIDEMARK_QUERY_ATTRIBUTE_UNKNOWN: { status: 400, canRetry: false },
  TIDEMARK_QUERY_MEASURE_UNKNOWN: { status: 400, canRetry: false },
  TIDEMARK_QUERY_RANGE: { status: 400, canRetry: false },
  TIDEMARK_QUERY_GRANULARITY: { status: 400, canRetry: false },
  TIDEMARK_QUERY_FILL: { status: 400, canRetry: false },
  TIDEMARK_QUERY_NOT_ACCEPTABLE: { status: 406, canRetry: false },
  TIDEMARK_QUERY_CURSOR: { status: 400, canRetry: false },
  TIDEMARK_QUERY_TOO_LARGE: { status: 400, canRetry: false },
  TIDEMARK_QUERY_AFTER: { status: 504, canRetry: true },
  TIDEMARK_QUERY_NO_GENERATION: { status: 409, canRetry: true },
  TIDEMARK_VIEW_LAYER: { status: 400, canRetry: false },
  // versions of a view
  TIDEMARK_VIEW_BUILDING: { status: 503, canRetry: true },
  TIDEMARK_VERSION_UNKNOWN: { status: 404, canRetry: false },
  TIDEMARK_VERSION_NONE_BEFORE: { status: 409, canRetry: false },
  TIDEMARK_VERSION_INCOMPARABLE: { status: 409, canRetry: false },
  TIDEMARK_VERSION_NO_COMMON_CUT: { status: 409, canRetry: true },
  TIDEMARK_ASOF_AHEAD: { status: 409, canRetry: true },
  TIDEMARK_ASOF_COSTLY: { status: 422, canRetry: false },
  TIDEMARK_ASOF_BUSY: { status: 429, canRetry: true },
  // SQL
  TIDEMARK_SQL_STATEMENT: { status: 400, canRetry: false },
  TIDEMARK_SQL_REFUSED: { status: 400, canRetry: false },
  TIDEMARK_SQL_TABLE_UNKNOWN: { status: 400, canRetry: false },
  TIDEMARK_SQL_FAILED: { status: 400, canRetry: false },
  TIDEMARK_SQL_TOO_LARGE: { status: 400, canRetry: false },
  TIDEMARK_SQL_TIMEOUT: { status: 400, canRetry: false },
  TIDEMARK_SQL_BUSY: { status: 429, canRetry: true },
  TIDEMARK_LIVE_FULL: { status: 503, canRetry: true },
  TIDEMARK_LIVE_SLOW: { status: 408, canRetry: true },
  TIDEMARK_LIVE_CLOSED: { status: 503, canRetry: true },
  // runs and generations
  TIDEMARK_RUN_UNKNOWN: { status: 404, canRetry: false },
  TIDEMARK_RUN_BUSY: { status: 409, canRetry: true },
  TIDEMARK_RUN_CANCELLED: { status: 409, canRetry: false },
  TIDEMARK_RUN_LOST: { status: 500, canRetry: true },
  TIDEMARK_JOBS_UNAVAILABLE: { status: 503, canRetry: true },
  TIDEMARK_GENERATION_UNKNOWN: { status: 404, canRetry: false },
  TIDEMARK_ERASURE_UNKNOWN: { status: 404, canRetry: false },
  TIDEMARK_ERASURE_REFUSED: { status: 409, canRetry: false },
  TIDEMARK_GENERATION_EXISTS: { status: 409, canRetry: false },
  TIDEMARK_AUTH_MISSING: { status: 401, canRetry: false },
  TIDEMARK_AUTH_FORBIDDEN: { status: 403, canRetry: false },
  TIDEMARK_AUTH_TOKEN: { status: 401, canRetry: false },
  TIDEMARK_AUTH_KEYS: { status: 503, canRetry: true },
  TIDEMARK_RATE_LIMIT: { status: 429, canRetry: true },
  TIDEMARK_ROUTE_UNKNOWN: { status: 404, canRetry: false },
  TIDEMARK_REQUEST: { status: 400, canRetry: false },
  TIDEMARK_INTERNAL: { status: 500, canRetry: false },
  TIDEMARK_NOT_READY: { status: 503, canRetry: true },
  // clients
  TIDEMARK_CLIENT_URL: { status: 400, canRetry: false },
  TIDEMARK_CLIENT_FILE: { status: 400, canRetry: false },
  TIDEMARK_CLIENT_UNREACHABLE: { status: 502, canRetry: true },
  TIDEMARK_CLIENT_ANSWER: { status: 502, canRetry: false },
  TIDEMARK_CLIENT_REJECTED: { status: 400, canRetry: false },
  // stores
  TIDEMARK_STORE_GAP: { status: 500, canRetry: false },
  TIDEMARK_STORE_OVERLAP: { status: 500, canRetry: false },
  TIDEMARK_STORE_CORRUPT: { status: 500, canRetry: false },
  TIDEMARK_STORE_COLD_MISSING: { status: 503, canRetry: true },
  TIDEMARK_STORE_COLD_FOREIGN: { status: 500, canRetry: false },
  TIDEMARK_STORE_OUT_OF_RANGE: { status: 500, canRetry: false },
  TIDEMARK_TAIL_FULL: { status: 503, canRetry: true },
  TIDEMARK_STORE_LOCKED: { status: 500, canRetry: true },
  TIDEMARK_CONFIG: { status: 500, canRetry: false },
  TIDEMARK_DIMENSION_FILE: { status: 500, canRetry: false },
  TIDEMARK_KAFKA_UNREACHABLE: { status: 503, canRetry: true },
  TIDEMARK_KAFKA_TOPIC_MISSING: { status: 500, canRetry: false },
  TIDEMARK_KAFKA_PARTITIONS: { status: 500, canRetry: false },
  TIDEMARK_KAFKA_TOPICS: { status: 500, canRetry: false },
  TIDEMARK_KAFKA_RETENTION: { status: 500, canRetry: false },
  TIDEMARK_KAFKA_CLOCK: { status: 500, canRetry: false },
  TIDEMARK_PROCESS_GONE: { status: 503, canRetry: true },
  // what is not ours: Kafka, Redis
  TIDEMARK_SERVICE_MISSING: { status: 500, canRetry: false },
  TIDEMARK_SERVICE_START: { status: 500, canRetry: true },
} as const satisfies Record<string, { readonly status: number; readonly canRetry: boolean }>;

export type ErrorCode = keyof typeof errorCodes;

/** A request that brings about what was refused; part of the problem document. */
export interface Offer {
  readonly method: "POST";
  readonly path: string;
  /** As JSON. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** An error for the person who reads it: what is wrong, what would be right, and a code that stays. */
export class TidemarkError extends Error {
  override readonly name = "TidemarkError";
  readonly code: ErrorCode;
  /** What could be asked for instead, if anything could. */
  readonly offer: Offer | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options?: ErrorOptions & { readonly offer?: Offer | undefined },
  ) {
    super(message, options);
    this.code = code;
    this.offer = options?.offer;
  }

  get status(): number {
    return errorCodes[this.code].status;
  }

  get canRetry(): boolean {
    return errorCodes[this.code].canRetry;
  }
}

/** An error as it crosses to another thread, process or machine. */
export interface DescribedError {
  /** An `ErrorCode`; empty for what is no TidemarkError. */
  readonly code: string;
  readonly message: string;
}

export function describeError(error: unknown): DescribedError {
  return {
    code: error instanceof TidemarkError ? error.code : "",
    message: error instanceof Error ? error.message : String(error),
  };
}

/** A code that this version does not know gives a plain Error. */
export function reviveError({ code, message }: DescribedError, cause?: unknown): Error {
  const options = cause === undefined ? {} : { cause };
  return Object.hasOwn(errorCodes, code)
    ? new TidemarkError(code as ErrorCode, message, options)
    : new Error(message, options);
}

/** Closes an exhaustive `switch`: reached only if a case was forgotten. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
