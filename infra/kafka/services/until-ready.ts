import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { TidemarkError } from "../../../views/errors.ts";
import type { GuardedProcess } from "./guarded-process.ts";

const pollMs = 50;

/** Asks until `isReady` says so. Throws TIDEMARK_SERVICE_START with what the process said if it ends or takes too long. */
export async function untilReady(
  what: string,
  process: GuardedProcess,
  log: string,
  isReady: () => Promise<boolean>,
  deadlineMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!process.hasEnded && performance.now() < deadline) {
    if (await isReady()) return;
    await setTimeout(pollMs);
  }
  const why = process.hasEnded ? "ended before it was ready" : `is not ready after ${deadlineMs / 1000} s`;
  await process.kill();
  const said = (await readFile(log, "utf8")).trim().split("\n").slice(-20).join("\n");
  throw new TidemarkError("TIDEMARK_SERVICE_START", `${what} ${why}; ${log} says:\n${said}`);
}
