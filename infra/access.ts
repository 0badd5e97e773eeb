import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { TidemarkError } from "../views/errors.ts";

const permissions = ["ingest", "query", "operate"] as const;

/** "ingest" sends events, "query" reads everything, "operate" starts, stops, rolls back and replays. */
export type Permission = (typeof permissions)[number];

export interface ApiKey {
  /** Of whoever has it: for people, never secret. */
  readonly name: string;
  readonly permissions: ReadonlySet<Permission>;
  /** SHA-256 of the secret, which is kept nowhere. */
  readonly digest: Buffer;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** Whether this request needs no key, since the answer to it says nothing about the platform. */
    readonly isOpen?: (request: FastifyRequest) => boolean;
  }
}

const fewestCharacters = 16;

/**
 * Reads `name:permissions:secret`, several apart by commas, permissions apart by "+":
 * `shop:ingest:…,console:query+operate:…`. Throws TIDEMARK_CONFIG, which never quotes a secret.
 */
export function readApiKeys(text: string, variable: string): readonly ApiKey[] {
  const keys = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part, i) => readKey(part, `key ${i + 1} of ${variable}`));
  if (new Set(keys.map(({ digest }) => digest.toString("hex"))).size < keys.length) {
    throw config(`${variable} has one secret twice: give each key its own`);
  }
  return keys;
}

function readKey(text: string, what: string): ApiKey {
  const [, name, list = "", secret = ""] = /^([\w.-]{1,100}):([a-z+]+):(.+)$/.exec(text) ?? [];
  if (name === undefined) {
    throw config(`${what} is not NAME:PERMISSIONS:SECRET, such as shop:ingest:… or console:query+operate:…`);
  }
  const named = list.split("+");
  const unknown = named.find((each) => !permissions.some((known) => known === each));
  if (unknown !== undefined) {
    throw config(`${what}, "${name}", has the permission "${unknown}"; there are ${permissions.join(", ")}`);
  }
  if (secret.length < fewestCharacters) {
    throw config(
      `the secret of ${what}, "${name}", has ${secret.length} characters and must have ${fewestCharacters}: openssl rand -hex 24 makes a good one`,
    );
  }
  return { name, permissions: new Set(named as Permission[]), digest: digestOf(secret) };
}

/**
 * Answers no request but those with the key that it needs, as `Authorization: Bearer SECRET`: TIDEMARK_AUTH_MISSING,
 * TIDEMARK_AUTH_FORBIDDEN. Health and readiness are for whoever runs the process, and have nothing to hide.
 */
export function requireApiKeys(server: FastifyInstance, keys: readonly ApiKey[]): void {
  server.addHook("onRequest", async (request, reply) => {
    if (request.url === "/healthz" || request.url === "/readyz") return;
    if (request.routeOptions.config?.isOpen?.(request) === true) return;
    const key = keyOf(request, keys);
    if (key === undefined) {
      reply.header("www-authenticate", "Bearer");
      throw new TidemarkError(
        "TIDEMARK_AUTH_MISSING",
        "this server answers who has a key: send it as Authorization: Bearer SECRET (the command line takes it from TIDEMARK_API_KEY)",
      );
    }
    const needed = permissionFor(request);
    if (key.permissions.has(needed)) return;
    throw new TidemarkError(
      "TIDEMARK_AUTH_FORBIDDEN",
      `key "${key.name}" may ${[...key.permissions].join(" and ")}; ${request.method} ${request.url.split("?", 1)[0]} needs "${needed}"`,
    );
  });
}

function permissionFor({ method, url }: FastifyRequest): Permission {
  if (method === "GET" || method === "HEAD") return "query";
  const path = url.split("?", 1)[0];
  // A statement changes nothing; it is sent in a body because it may be long.
  if (method === "POST" && path === "/v1/sql") return "query";
  return method === "POST" && path === "/v1/events" ? "ingest" : "operate";
}

/** Every key is looked at, so that the time it takes tells nothing. */
function keyOf(
  { headers: { authorization = "" } }: FastifyRequest,
  keys: readonly ApiKey[],
): ApiKey | undefined {
  const [, secret] = /^bearer +(\S+)$/i.exec(authorization) ?? [];
  if (secret === undefined) return undefined;
  const digest = digestOf(secret);
  let found: ApiKey | undefined;
  for (const key of keys) if (timingSafeEqual(key.digest, digest)) found = key;
  return found;
}

function digestOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

function config(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_CONFIG", message);
}
