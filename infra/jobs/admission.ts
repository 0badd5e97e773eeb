import { createHash } from "node:crypto";
import { TidemarkError } from "../../views/errors.ts";
import type { Run } from "./jobs.ts";

/** How many runs may wait for one of the kind to be taken in: those as of the past leave room for others. */
export function mostQueued(kind: Run["kind"]): number {
  return kind === "past" ? 5 : 10;
}

/** Whether a run that does not wait is refused for one that has not ended: of what is as of the past, others make nothing. */
export function isInTheWay(other: Run, run: Run): boolean {
  return run.kind === "past" || other.kind !== "past";
}

/** Why a run is not taken in while `first` is the one that is going on or waits in front. */
export function busy(reason: "busy" | "full", first: Run, { kind }: Run): TidemarkError {
  const words =
    reason === "full"
      ? `${mostQueued(kind)} runs wait already, behind run ${first.id}; cancel one or wait for one to end`
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
