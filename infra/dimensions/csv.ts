/** A record of a CSV text, and the line that it begins in, from 1. */
export interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/**
 * The records of a text by RFC 4180: fields apart by commas, in double quotes where they hold commas, quotes (twice each)
 * or line breaks. Empty lines are passed over. `fail` throws.
 */
export function* csvRecords(
  text: string,
  fail: (line: number, reason: string) => never,
): Generator<CsvRecord, void, undefined> {
  let at = 0;
  let line = 1;
  while (at < text.length) {
    const begin = line;
    const fields: string[] = [];
    for (;;) {
      if (text[at] === '"') {
        let field = "";
        for (;;) {
          const quote = text.indexOf('"', at + 1);
          if (quote === -1) fail(begin, "a quoted field has no end");
          field += text.slice(at + 1, quote);
          at = quote + 1;
          if (text[at] !== '"') break;
          field += '"';
        }
        line += lineBreaks(field);
        fields.push(field);
      } else {
        const end = endOfField(text, at);
        fields.push(text.slice(at, end));
        at = end;
      }
      if (text[at] !== ",") break;
      at++;
    }
    if (text[at] === "\r") at++;
    if (at < text.length && text[at] !== "\n") fail(line, "a quoted field ends before the field does");
    at++;
    line++;
    if (fields.length > 1 || fields[0] !== "") yield { line: begin, fields };
  }
}

function endOfField(text: string, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== "," && text[at] !== "\n") at++;
  return text[at - 1] === "\r" && at > from && text[at] !== "," ? at - 1 : at;
}

function lineBreaks(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
