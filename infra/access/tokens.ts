import { readFile } from "node:fs/promises";
import { createLocalJWKSet, createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from "jose";
import { TidemarkError } from "../../views/errors.ts";
import type { AccessPolicy, JwtPolicy } from "./policy.ts";
import { type Access, type Claims, claimAt, combineRules } from "./rights.ts";

/** Signatures by a private key only: whoever can check a token can't make one. */
const algorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];
/** How long a checked token counts as checked; a key that was withdrawn is no longer good after that. */
const keptMs = 60_000;
const keptTokens = 10_000;
/** Keys are fetched anew for a token whose key is unknown, this often at most. */
const cooldownMs = 30_000;
const longestToken = 8_192;

interface Checked {
  readonly access: Access;
  readonly untilMs: number;
}

/** Checks JSON Web Tokens against the keys of their issuer, and says what they allow. */
export class Tokens {
  readonly #policy: JwtPolicy;
  readonly #roles: NonNullable<AccessPolicy["roles"]>;
  readonly #keys: JWTVerifyGetKey;
  readonly #now: () => number;
  readonly #checked = new Map<string, Checked>();

  /** Throws TIDEMARK_CONFIG where the keys are a file that can't be read. */
  static async open(policy: JwtPolicy, roles: AccessPolicy["roles"], now = Date.now): Promise<Tokens> {
    const isFile = !/^https?:/.test(policy.jwks);
    const keys = isFile ? await keysInFile(policy.jwks, now) : remoteKeys(policy.jwks);
    return new Tokens(policy, roles ?? {}, keys, now);
  }

  private constructor(
    policy: JwtPolicy,
    roles: NonNullable<AccessPolicy["roles"]>,
    keys: JWTVerifyGetKey,
    now: () => number,
  ) {
    this.#policy = policy;
    this.#roles = roles;
    this.#keys = keys;
    this.#now = now;
  }

  /** What a token that was checked a moment ago allows. */
  known(token: string): Access | undefined {
    const checked = this.#checked.get(token);
    if (checked === undefined || this.#now() < checked.untilMs) return checked?.access;
    this.#checked.delete(token);
    return undefined;
  }

  /** Throws TIDEMARK_AUTH_TOKEN, TIDEMARK_AUTH_FORBIDDEN, and TIDEMARK_AUTH_KEYS while the issuer's keys can't be had. */
  async check(token: string): Promise<Access> {
    const claims = await this.#verify(token);
    const endsMs = (Number(claims.exp) + this.#tolerance) * 1_000;
    const access = { ...this.#accessOf(claims), untilMs: endsMs };
    if (this.#checked.size >= keptTokens) this.#checked.clear();
    this.#checked.set(token, { access, untilMs: Math.min(this.#now() + keptMs, endsMs) });
    return access;
  }

  get #tolerance(): number {
    return this.#policy.clockToleranceSeconds ?? 5;
  }

  async #verify(token: string): Promise<Claims> {
    if (token.length > longestToken) throw refused(`it is longer than ${longestToken} characters`);
    const { issuer, audience } = this.#policy;
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        ...{ issuer, audience, algorithms, clockTolerance: this.#tolerance },
        requiredClaims: ["exp"],
        currentDate: new Date(this.#now()),
      });
      return payload;
    } catch (error) {
      throw asRefusal(error);
    }
  }

  #accessOf(claims: Claims): Access {
    const { rolesClaim = "roles", nameClaim = "sub" } = this.#policy;
    const claimed = claimAt(claims, rolesClaim);
    const names = typeof claimed === "string" ? claimed.split(" ") : Array.isArray(claimed) ? claimed : [];
    const name = `token ${String(claimAt(claims, nameClaim) ?? "without a name").slice(0, 200)}`;
    const rules = Object.entries(this.#roles).flatMap(([role, rule]) => (names.includes(role) ? [rule] : []));
    if (rules.length > 0) return combineRules(name, rules, claims);
    throw new TidemarkError(
      "TIDEMARK_AUTH_FORBIDDEN",
      `the token's claim "${rolesClaim}" has none of the roles that are allowed anything here`,
    );
  }
}

function remoteKeys(address: string): JWTVerifyGetKey {
  return createRemoteJWKSet(new URL(address), {
    timeoutDuration: 5_000,
    cooldownDuration: cooldownMs,
    cacheMaxAge: 600_000,
  });
}

/** The file is read again for a token whose key it did not have. */
async function keysInFile(path: string, now: () => number): Promise<JWTVerifyGetKey> {
  const read = async () => createLocalJWKSet(JSON.parse(await readFile(path, "utf8")));
  let keys: JWTVerifyGetKey;
  try {
    keys = await read();
  } catch (cause) {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `TIDEMARK_ACCESS: "jwks" names ${path}, which is no address and no file of keys: ${(cause as Error).message}`,
      { cause },
    );
  }
  let readAt = now();
  return async (header, token) => {
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || now() - readAt < cooldownMs) throw error;
      readAt = now();
      keys = await read();
      return keys(header, token);
    }
  };
}

/** In our words, which never quote the token. */
function asRefusal(error: unknown): TidemarkError {
  if (error instanceof errors.JWTExpired) return refused("it has expired");
  if (error instanceof errors.JWTClaimValidationFailed)
    return refused(`its claim "${error.claim}" is not as expected`);
  if (error instanceof errors.JWKSNoMatchingKey) return refused("its issuer has no key of that name");
  if (error instanceof errors.JWSSignatureVerificationFailed) return refused("its signature is wrong");
  if (error instanceof errors.JOSEAlgNotAllowed)
    return refused("its signature is of a kind that is not taken");
  const isOfToken =
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWTInvalid ||
    error instanceof errors.JOSENotSupported ||
    error instanceof errors.JWKSMultipleMatchingKeys;
  if (isOfToken) return refused("it is no signed JSON Web Token");
  return new TidemarkError(
    "TIDEMARK_AUTH_KEYS",
    "the keys that tokens are checked with can't be had from their issuer at the moment",
    { cause: error },
  );
}

function refused(why: string): TidemarkError {
  return new TidemarkError("TIDEMARK_AUTH_TOKEN", `the token is not taken: ${why}`);
}
