import { type Logger, pino } from "pino";
import { readApiKeys } from "../infra/access/api-keys.ts";
import { openTokens } from "../infra/access/guard.ts";
import { readAccessPolicy, requireKnownNames } from "../infra/access/policy.ts";
import { readOrigins, type ServerOptions } from "../infra/http.ts";
import type { App } from "../views/app.ts";
import { TidemarkError } from "../views/errors.ts";
import { namesOf } from "../views/version.ts";

/** Whom a server answers, and what it notes of them. */
export type Security = Pick<ServerOptions, "keys" | "policy" | "tokens" | "origins" | "audit">;

/**
 * Reads TIDEMARK_API_KEYS, TIDEMARK_ACCESS, TIDEMARK_CORS_ORIGINS and TIDEMARK_AUDIT_LOG. Throws TIDEMARK_CONFIG. Where
 * callers are known, operations are noted: in the file of TIDEMARK_AUDIT_LOG, or in the log.
 */
export async function readSecurity(
  environment: Readonly<Record<string, string | undefined>>,
  app: App,
  logger: Logger,
): Promise<Security> {
  const { TIDEMARK_API_KEYS = "", TIDEMARK_ACCESS = "", TIDEMARK_CORS_ORIGINS = "" } = environment;
  const keys = readApiKeys(TIDEMARK_API_KEYS, "TIDEMARK_API_KEYS");
  const policy = TIDEMARK_ACCESS === "" ? {} : await readAccessPolicy(TIDEMARK_ACCESS);
  requireKnownNames(policy, { keys, views: namesOf(app.views).map((name) => ({ name })) });
  const tokens = await openTokens(policy);
  const origins = readOrigins(TIDEMARK_CORS_ORIGINS, "TIDEMARK_CORS_ORIGINS");
  const read = { keys, policy, origins, ...(tokens && { tokens }) };
  const { TIDEMARK_AUDIT_LOG: path = "" } = environment;
  if (path !== "") return { ...read, audit: auditFile(path) };
  return isGuarded(read) ? { ...read, audit: logger.child({ audit: true }, { level: "info" }) } : read;
}

export function isGuarded({ keys = [], tokens }: Security): boolean {
  return keys.length > 0 || tokens !== undefined;
}

/** Written before the answer is; for its owner alone. */
function auditFile(path: string): Logger {
  try {
    const file = pino.destination({ dest: path, append: true, mkdir: true, sync: true, mode: 0o600 });
    return pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, file);
  } catch (cause) {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `TIDEMARK_AUDIT_LOG=${path} can't be written: ${(cause as Error).message}`,
      { cause },
    );
  }
}
