import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { TidemarkError } from "../../views/errors.ts";
import { type ApiKey, keyOf } from "./api-keys.ts";
import type { AccessPolicy } from "./policy.ts";
import {
  type Access,
  combineRules,
  everything,
  type Permission,
  permissionFor,
  type Rule,
  type Sight,
} from "./rights.ts";
import { TokenBuckets } from "./token-bucket.ts";
import { Tokens } from "./tokens.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks; undefined where nobody is asked who they are, or not yet. */
    access: Access | undefined;
  }
  interface FastifyContextConfig {
    /** Whether this request needs no key, since the answer to it says nothing about the platform. */
    readonly isOpen?: (request: FastifyRequest) => boolean;
    /** What it needs; default: "query" to GET, "operate" for all else. */
    readonly permission?: Permission;
    /** Whether the answer keeps to `sightOf(request)`. Other routes refuse who may not see everything. */
    readonly keepsToSight?: true;
    /** Its URL says whom it is about: logs have the route in its place. */
    readonly namesPerson?: true;
  }
}

/** Whom a server answers; without keys and tokens: everybody, as on an address that only this machine reaches. */
export interface GuardParts {
  readonly keys?: readonly ApiKey[];
  readonly policy?: AccessPolicy;
  readonly tokens?: Tokens;
  /** Milliseconds that never run backwards. */
  readonly now?: () => number;
}

/** Opens what a policy's tokens are checked with. */
export async function openTokens(policy: AccessPolicy | undefined): Promise<Tokens | undefined> {
  return policy?.jwt && Tokens.open(policy.jwt, policy.roles);
}

/** What the caller may see. */
export function sightOf({ access }: FastifyRequest): Sight {
  return access ?? everything;
}

/** For how many milliseconds more the caller may be answered; undefined: for ever. */
export function leaseOf({ access }: FastifyRequest): number | undefined {
  return access?.untilMs === undefined ? undefined : Math.max(0, access.untilMs - Date.now());
}

/**
 * Answers no request but those of known callers who may, as `Authorization: Bearer`, a key's secret or a token:
 * TIDEMARK_AUTH_MISSING, TIDEMARK_AUTH_TOKEN, TIDEMARK_AUTH_FORBIDDEN, TIDEMARK_RATE_LIMIT. Health and readiness are for
 * whoever runs the process, and have nothing to hide.
 */
export function guard(server: FastifyInstance, parts: GuardParts): void {
  server.decorateRequest("access", undefined);
  const { keys = [], policy = {}, tokens, now = () => performance.now() } = parts;
  if (keys.length === 0 && tokens === undefined) return;
  const ofKeys = new Map(keys.map((key) => [key, accessOfKey(key, policy)]));
  const buckets = new TokenBuckets(now);

  function admit(request: FastifyRequest, reply: FastifyReply, access: Access): void {
    request.access = access;
    const rate = access.requestsPerSecond ?? policy.requestsPerSecond;
    const waitSeconds = rate === undefined ? 0 : buckets.take(access.name, rate);
    if (waitSeconds > 0) {
      reply.header("retry-after", String(Math.ceil(waitSeconds)));
      throw new TidemarkError(
        "TIDEMARK_RATE_LIMIT",
        `${access.name} may ask ${rate} times a second: wait a little`,
      );
    }
    requirePermission(request, access);
  }

  server.addHook("onRequest", (request, reply, done) => {
    try {
      if (request.url === "/healthz" || request.url === "/readyz") return done();
      if (request.routeOptions.config?.isOpen?.(request) === true) return done();
      const secret = secretOf(request);
      const key = secret === undefined ? undefined : keyOf(secret, keys);
      const known = (key && ofKeys.get(key)) ?? (secret === undefined ? undefined : tokens?.known(secret));
      if (known !== undefined) admit(request, reply, known);
      else if (secret !== undefined && tokens !== undefined && isToken(secret)) {
        tokens
          .check(secret)
          .then((access) => admit(request, reply, access))
          .then(() => done(), done);
        return;
      } else throw missing(tokens);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
}

function accessOfKey({ name, permissions }: ApiKey, { keys = {} }: AccessPolicy): Access {
  const rule: Rule = { permissions: [...permissions], ...keys[name] };
  return combineRules(`key ${name}`, [rule], {});
}

function requirePermission(request: FastifyRequest, { name, permissions, scope }: Access): void {
  const { config } = request.routeOptions;
  const needed = permissionFor(request.method, config?.permission);
  if (!permissions.has(needed) && !(needed === "metrics" && permissions.has("query"))) {
    throw new TidemarkError(
      "TIDEMARK_AUTH_FORBIDDEN",
      `${name} may ${[...permissions].join(" and ")}; ${whatIsAsked(request)} needs "${needed}"`,
    );
  }
  if (scope === "" || config?.keepsToSight === true) return;
  throw new TidemarkError(
    "TIDEMARK_AUTH_FORBIDDEN",
    `${name} may see some views or rows only; ${whatIsAsked(request)} is for who may see everything`,
  );
}

function whatIsAsked({ method, url }: FastifyRequest): string {
  return `${method} ${url.split("?", 1)[0]}`;
}

function secretOf({ headers: { authorization = "" } }: FastifyRequest): string | undefined {
  return /^bearer +(\S+)$/i.exec(authorization)?.[1];
}

/** Three parts with dots between them; a key's secret may look like that too. */
function isToken(secret: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(secret);
}

function missing(tokens: Tokens | undefined): TidemarkError {
  const what = tokens === undefined ? "a key" : "a key or a token";
  return new TidemarkError(
    "TIDEMARK_AUTH_MISSING",
    `this server answers who has ${what}: send it as Authorization: Bearer SECRET (the command line takes it from TIDEMARK_API_KEY)`,
  );
}
