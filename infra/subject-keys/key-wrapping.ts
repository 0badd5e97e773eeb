import { createHmac, hkdfSync, randomBytes } from "node:crypto";
import { TidemarkError } from "../../views/errors.ts";
import { decrypt, encrypt } from "./aes-gcm.ts";
import type { SubjectKey } from "./encrypted-event.ts";
import type { KeyedSubject } from "./log-keys.ts";

/** What a master key does: it wraps subjects' keys, and makes names of subjects that say nothing to who does not have it. */
export class KeyWrapping {
  readonly #wrapping: Uint8Array;
  readonly #naming: Uint8Array;

  constructor(masterKey: Uint8Array) {
    this.#wrapping = derived(masterKey, "wrapping");
    this.#naming = derived(masterKey, "naming");
  }

  /** An HMAC: of no name it is the mark by which a store knows its master key. */
  indexOf(name: string): Buffer {
    return createHmac("sha256", this.#naming).update(name).digest();
  }

  wrap({ id, key }: SubjectKey): Buffer {
    return encrypt(this.#wrapping, key, id);
  }

  /** Throws TIDEMARK_STORE_CORRUPT. */
  unwrap(id: string, wrapped: Uint8Array): Buffer {
    const key = decrypt(this.#wrapping, wrapped, id);
    if (key !== undefined) return key;
    throw new TidemarkError(
      "TIDEMARK_STORE_CORRUPT",
      `subject's key "${id}" was changed since it was written`,
    );
  }
}

export function nameOf({ topic, key }: KeyedSubject): string {
  return `${topic}\0${key}`;
}

export function newKey(encoding: "hex" | "base64url"): SubjectKey {
  return { id: randomBytes(16).toString(encoding), key: randomBytes(32) };
}

function derived(masterKey: Uint8Array, use: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", masterKey, "", `tidemark subject keys: ${use}`, 32));
}
