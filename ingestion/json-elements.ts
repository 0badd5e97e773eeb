const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;

/**
 * The elements of a JSON array as they were sent, each without the white space around it. The text must have been
 * found to be a valid JSON array before: this only counts brackets and steps over strings.
 */
export function* arrayElements(bytes: Buffer): Generator<Buffer> {
  let depth = 0;
  let from = -1;
  let next = -1;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) continue;
    const isClosing = byte === 0x5d || byte === 0x7d;
    if (isClosing) depth--;
    if (depth === 0 && isClosing) {
      if (from !== -1) yield bytes.subarray(from, next);
      return;
    }
    if (depth === 1 && byte === comma) {
      yield bytes.subarray(from, next);
      from = -1;
      continue;
    }
    if (depth > 0 && from === -1) from = at;
    if (byte === 0x5b || byte === 0x7b) depth++;
    else if (byte === quote) at = stringEnd(bytes, at);
    next = at + 1;
  }
}

/** Where the string that begins at `at` has its closing quote. */
function stringEnd(bytes: Buffer, at: number): number {
  for (let end = bytes.indexOf(quote, at + 1); end !== -1; end = bytes.indexOf(quote, end + 1)) {
    let escapes = 0;
    while (bytes[end - 1 - escapes] === backslash) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return bytes.length;
}
