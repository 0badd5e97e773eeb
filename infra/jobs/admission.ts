import { createHash } from "node:crypto";
import { TidemarkError } from "../../views/errors.ts";
import type { Run } from "./jobs.ts";

export const mostQueued = 10;

/** Why a run is not taken in while `first` is the one that is going on or waits in front. */
export function busy(reason: "busy" | "full", first: Run): TidemarkError {
  const words =
    reason === "full"
      ? `${mostQueued} runs wait already, behind run ${first.id}; cancel one or wait for one to end`
      : `run ${first.id}, asked for by ${first.requestedBy}, ${first.state === "running" ? "is going on" : "waits to begin"}`;
  return new TidemarkError("TIDEMARK_RUN_BUSY", words);
}

/** The id of the run that is made for an occasion, whoever asks for it: a UUID (version 8) of the text's hash. */
export function occasionId(occasion: string): string {
  const hash = createHash("sha256").update(occasion).digest("hex");
  const variant = (8 + (Number.parseInt(hash.charAt(16), 16) % 4)).toString(16);
  return [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `8${hash.slice(13, 16)}`,
    `${variant}${hash.slice(17, 20)}`,
    hash.slice(20, 32),
  ].join("-");
}
