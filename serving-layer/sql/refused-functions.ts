/** Functions that give rows and read nothing but their arguments. */
const tableFunctions: ReadonlySet<string> = new Set([
  ...["unnest", "range", "generate_series", "json_each", "json_tree"],
]);

/**
 * Functions that tell of the server or of other statements, keep it waiting, or leave something behind. Together with
 * `changingFunctions`, all that DuckDB calls inconsistent are named in one of the two.
 */
export const refusedFunctions: ReadonlySet<string> = new Set([
  ...["current_setting", "getvariable", "getenv", "current_query", "current_query_id", "json_serialize_plan"],
  ...[
    "current_connection_id",
    "current_transaction_id",
    "txid_current",
    "current_database",
    "current_catalog",
  ],
  ...[
    "current_schema",
    "current_schemas",
    "in_search_path",
    "current_user",
    "current_role",
    "session_user",
    "user",
  ],
  ...[
    "sleep_ms",
    "setseed",
    "write_log",
    "parse_duckdb_log_message",
    "stats",
    "vector_type",
    "get_block_size",
  ],
  ...["nextval", "currval", "inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port"],
]);

/** Functions whose value is another each time, and which are harmless. */
export const changingFunctions: ReadonlySet<string> = new Set([
  ...["now", "today", "current_date", "current_localtime", "current_localtimestamp", "get_current_time"],
  ...[
    "get_current_timestamp",
    "transaction_timestamp",
    "random",
    "uuid",
    "uuidv4",
    "uuidv7",
    "gen_random_uuid",
  ],
  ...["error"],
]);

export function isRefusedFunction(name: string): boolean {
  const lower = name.toLowerCase();
  return refusedFunctions.has(lower) || /^(pg_|has_.*_privilege$|__internal_)/.test(lower);
}

export function isRefusedTableFunction(name: string): boolean {
  return !tableFunctions.has(name.toLowerCase());
}

export const allowedTableFunctions: readonly string[] = [...tableFunctions];
