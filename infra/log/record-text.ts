import { isUtf8 } from "node:buffer";
import { TidemarkError } from "../../views/errors.ts";

/** The text of a record: the one way from bytes to what a decoder reads. Throws TIDEMARK_EVENT_NOT_UTF8. */
export function recordText(bytes: Uint8Array): string {
  const buffer =
    bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString("utf8");
  requireUtf8(text, bytes);
  return text;
}

/**
 * Throws TIDEMARK_EVENT_NOT_UTF8 unless `text` is what the bytes say. Decoding puts U+FFFD for what is no UTF-8, so that
 * only a text that holds one, which hardly any does, needs a second look.
 */
export function requireUtf8(text: string, bytes: Uint8Array): void {
  if (text.includes("\ufffd") && !isUtf8(bytes)) {
    throw new TidemarkError("TIDEMARK_EVENT_NOT_UTF8", "the event holds bytes that are not UTF-8");
  }
}
