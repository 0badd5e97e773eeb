import type { IncomingHttpHeaders } from "node:http";
import { TidemarkError } from "../views/errors.ts";

/**
 * A CloudEvent in binary mode as the text of a structured one: attributes come as `ce-*` headers, the data as the body,
 * which is kept as it was sent (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md).
 * `data` must be valid JSON. Throws TIDEMARK_EVENT_ENVELOPE.
 */
export function structuredText(headers: IncomingHttpHeaders, data: string): string {
  const attributes: string[] = [];
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith("ce-")) continue;
    const name = header.slice(3);
    if (!/^[a-z0-9]+$/.test(name) || name === "data" || name === "datacontenttype") {
      throw new TidemarkError(
        "TIDEMARK_EVENT_ENVELOPE",
        `header "${header}" can't name an attribute: names are lower-case letters and digits, and the content type is the header "content-type"`,
      );
    }
    attributes.push(`${JSON.stringify(name)}:${JSON.stringify(headerValue(header, String(value)))}`);
  }
  attributes.push(`"datacontenttype":${JSON.stringify(headers["content-type"])}`);
  return `{${attributes.join(",")},"data":${data}}`;
}

/** Undoes the quoting and the percent-encoding of section 3.1.3.2. */
function headerValue(header: string, value: string): string {
  const unquoted = /^".*"$/.test(value) ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
  try {
    return decodeURIComponent(unquoted);
  } catch (cause) {
    throw new TidemarkError(
      "TIDEMARK_EVENT_ENVELOPE",
      `header "${header}" is not percent-encoded UTF-8: "%" itself is "%25"`,
      { cause },
    );
  }
}

/** What was sent in binary mode and is no event, as HTTP has it: the headers that matter, an empty line, the body. */
export function binaryMessage(headers: IncomingHttpHeaders, body: Buffer): Buffer {
  const lines = Object.entries(headers)
    .filter(([name]) => name.startsWith("ce-") || name === "content-type")
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`${lines.join("")}\r\n`, "latin1"), body]);
}
