import { createHash, timingSafeEqual } from "node:crypto";
import { TidemarkError } from "../../views/errors.ts";
import { type Permission, permissions } from "./rights.ts";

export interface ApiKey {
  /** Of whoever has it: for people, never secret. */
  readonly name: string;
  readonly permissions: ReadonlySet<Permission>;
  /** SHA-256 of the secret, which is kept nowhere. */
  readonly digest: Buffer;
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

/** Every key is looked at, so that the time it takes tells nothing. */
export function keyOf(secret: string, keys: readonly ApiKey[]): ApiKey | undefined {
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
