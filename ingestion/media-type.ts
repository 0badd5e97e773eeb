import type { IncomingHttpHeaders } from "node:http";
import { TidemarkError } from "../views/errors.ts";

/** The forms in which events come. */
export type Form = "json" | "ndjson" | "cloudevent" | "cloudevents-batch" | "cloudevent-binary";

const forms: ReadonlyMap<string, Form> = new Map([
  ["application/json", "json"],
  ["application/x-ndjson", "ndjson"],
  ["application/ndjson", "ndjson"],
  ["application/jsonl", "ndjson"],
  ["application/cloudevents+json", "cloudevent"],
  ["application/cloudevents-batch+json", "cloudevents-batch"],
]);

/** How a request's body is to be read; throws TIDEMARK_INGEST_MEDIA_TYPE listing what there is. */
export function formOf(headers: IncomingHttpHeaders): Form {
  const contentType = headers["content-type"] ?? "";
  const [mediaType = "", ...parameters] = contentType
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="));
  if (charset !== undefined && !/^charset="?(utf-?8|us-ascii)"?$/.test(charset)) {
    throw unsupported(`${charset}: events are UTF-8`);
  }
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") throw unsupported(`content-encoding ${encoding}`);
  const form = forms.get(mediaType);
  if (form !== "cloudevent" && form !== "cloudevents-batch" && "ce-specversion" in headers) {
    if (form === "json" || /^[\w.+-]+\/[\w.-]+\+json$/.test(mediaType)) return "cloudevent-binary";
  }
  if (form === undefined)
    throw unsupported(mediaType === "" ? "no content-type" : `content-type ${mediaType}`);
  return form;
}

function unsupported(what: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_INGEST_MEDIA_TYPE",
    `${what.slice(0, 200)} is not taken; send ${[...forms.keys()].join(", ")}, or a CloudEvent in binary mode (ce-* headers and a JSON body)`,
  );
}
