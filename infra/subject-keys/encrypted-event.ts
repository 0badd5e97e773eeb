import { decrypt, encrypt } from "./aes-gcm.ts";

/** A subject's key, and the name that records know it by. */
export interface SubjectKey {
  readonly id: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** As RFC 7518 calls AES-256-GCM. */
const encryption = "A256GCM";
/** Stands in every encrypted record, as it is. */
const marker = Buffer.from(`"encryption":"${encryption}"`);

/** What is read of an encrypted record without its key. */
interface Outer {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time: string;
  readonly encryptionkey: string;
}

/**
 * A record's value, which is the JSON of a whole event, as the log holds it: a CloudEvent whose attributes `id`,
 * `source`, `type` and `time` are those of the event, and whose data is the value, encrypted. None of these can be
 * changed without being noticed.
 */
export function encryptEvent(value: Uint8Array, { id: encryptionkey, key }: SubjectKey): Buffer {
  const { id, source, type, time } = JSON.parse(asBuffer(value).toString()) as Outer;
  const outer: Outer = { id, source, type, time, encryptionkey };
  const data = encrypt(key, value, contextOf(outer));
  return Buffer.from(
    JSON.stringify({
      ...{ specversion: "1.0", id, source, type, time, datacontenttype: "application/octet-stream" },
      ...{ encryption, encryptionkey, data_base64: data.toString("base64") },
    }),
  );
}

/** An encrypted record that can be opened by whoever has the key of the name. */
export interface EncryptedEvent {
  readonly keyId: string;
  /** The value as it was before it was encrypted; undefined if this is not the key, or the record was changed. */
  open(key: Uint8Array): Buffer | undefined;
}

/** Undefined for a record that is not encrypted, or was changed so that it does not look like one. */
export function readEncrypted(value: Uint8Array): EncryptedEvent | undefined {
  const bytes = asBuffer(value);
  if (!bytes.includes(marker)) return undefined;
  const outer = parse(bytes.toString());
  if (outer?.encryption !== encryption || typeof outer.data_base64 !== "string") return undefined;
  const data = Buffer.from(outer.data_base64, "base64");
  return {
    keyId: String(outer.encryptionkey),
    open: (key) => decrypt(key, data, contextOf(outer)),
  };
}

type Read = Outer & { readonly encryption?: unknown; readonly data_base64?: unknown };

function parse(text: string): Read | undefined {
  try {
    return (JSON.parse(text) as Read | null) ?? undefined;
  } catch {
    return undefined;
  }
}

function contextOf({ id, source, type, time, encryptionkey }: Outer): string {
  return JSON.stringify([encryption, encryptionkey, type, source, id, time]);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
