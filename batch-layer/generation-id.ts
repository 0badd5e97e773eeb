import { createHash } from "node:crypto";

/**
 * `g-20260601123456-3fa9c1`: sorts by time of making, to the second. The hexadecimal part tells apart what is made of
 * one view within a second, a run and its repetition included.
 */
export function generationId(runId: string, view: string, nowMs: number): string {
  const second = new Date(nowMs).toISOString().slice(0, 19).replace(/\D/g, "");
  const mark = createHash("sha256").update(`${runId}\n${view}\n${nowMs}`).digest("hex").slice(0, 6);
  return `g-${second}-${mark}`;
}
