import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { requireUtf8 } from "../infra/log/record-text.ts";
import { TidemarkError } from "../views/errors.ts";
import { receiveBody } from "./body.ts";
import { binaryMessage, structuredText } from "./cloudevents.ts";
import { GrowingBytes } from "./growing-bytes.ts";
import type { Intake } from "./intake.ts";
import { arrayElements } from "./json-elements.ts";
import type { IngestionLimits } from "./limits.ts";
import type { Form } from "./media-type.ts";
import type { Pressure } from "./pressure.ts";
import type { Timer } from "./timer.ts";

interface Bounds {
  readonly limits: IngestionLimits;
  readonly pressure: Pressure;
  readonly timer: Timer;
}

/**
 * Reads a body that is held whole before any of its events is taken. Throws TIDEMARK_INGEST_BODY_TOO_LARGE, _BUSY or
 * _STALLED.
 */
export async function receiveWhole(
  body: IncomingMessage,
  { limits, pressure, timer }: Bounds,
): Promise<Buffer> {
  const held = new GrowingBytes();
  let heldBytes = 0;
  try {
    await receiveBody(body, limits, timer, (chunk) => {
      heldBytes += chunk.length;
      pressure.hold(chunk.length);
      if (heldBytes > limits.bodyBytes) throw bodyTooLarge(limits);
      pressure.requireRoom();
      held.add(chunk);
      return undefined;
    });
    return held.take();
  } finally {
    pressure.release(heldBytes);
  }
}

/** Takes its events, and says whether it was one or many. Throws TIDEMARK_INGEST_BODY for what is no JSON of that form. */
export async function takeWholeBody(
  bytes: Buffer,
  form: Exclude<Form, "ndjson">,
  headers: IncomingHttpHeaders,
  intake: Intake,
): Promise<"one" | "many"> {
  const text = bytes.toString();
  const json = parseBody(text);
  if (form === "cloudevent-binary") {
    takeBinary(text, bytes, headers, intake);
    return "one";
  }
  const isMany = Array.isArray(json);
  if (isMany !== (form === "cloudevents-batch") && form !== "json") {
    throw new TidemarkError(
      "TIDEMARK_INGEST_BODY",
      form === "cloudevent"
        ? "application/cloudevents+json is one event; an array of them is application/cloudevents-batch+json"
        : "application/cloudevents-batch+json is an array of events",
    );
  }
  if (!isMany) {
    intake.takeParsed(json, text, bytes, 0);
    return "one";
  }
  let index = 0;
  for (const element of arrayElements(bytes)) {
    intake.takeParsed(json[index], element.toString(), element, index);
    index++;
    const busy = intake.ready();
    if (busy !== undefined) await busy;
  }
  return "many";
}

function takeBinary(text: string, bytes: Buffer, headers: IncomingHttpHeaders, intake: Intake): void {
  let structured: string;
  try {
    requireUtf8(text, bytes);
    structured = structuredText(headers, text);
  } catch (failure) {
    intake.reject(failure, binaryMessage(headers, bytes), 0);
    return;
  }
  intake.take(structured, Buffer.from(structured), 0);
}

function parseBody(text: string): unknown {
  if (text.trim() === "") {
    throw new TidemarkError(
      "TIDEMARK_INGEST_BODY",
      "the body is empty: send an event, or an array of events",
    );
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TidemarkError("TIDEMARK_INGEST_BODY", `the body is not JSON: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function bodyTooLarge({ bodyBytes }: IngestionLimits): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_INGEST_BODY_TOO_LARGE",
    `a body of this type may be of ${bodyBytes} bytes at most; send more events in several requests, or as application/x-ndjson, which has no such limit`,
  );
}
