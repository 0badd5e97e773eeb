import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/**
 * AES-256-GCM (NIST SP 800-38D): `nonce (12 bytes) · ciphertext · tag (16 bytes)`, the nonce random, which a key may be used with
 * 2^32 times. `context` is not kept: who decrypts has to say the same.
 */
export function encrypt(key: Uint8Array, plain: Uint8Array, context: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined for what was encrypted with another key or in another context, or was changed since. */
export function decrypt(key: Uint8Array, bytes: Uint8Array, context: string): Buffer | undefined {
  if (bytes.length < nonceBytes + tagBytes) return undefined;
  const tagFrom = bytes.length - tagBytes;
  const cipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes))
    .setAAD(Buffer.from(context))
    .setAuthTag(bytes.subarray(tagFrom));
  const plain = cipher.update(bytes.subarray(nonceBytes, tagFrom));
  try {
    return Buffer.concat([plain, cipher.final()]);
  } catch {
    // The tag is not that of these bytes.
    return undefined;
  }
}
