import { resolve } from "node:path";
import { TidemarkError } from "../views/errors.ts";
import { parseKeep } from "../views/retention.ts";

/** As a command line gives them. */
export interface ColdFlags {
  readonly cold?: string;
  readonly coldAfter?: string;
}

/** Where files go, and how long ago their newest event is then. */
export interface ColdOptions {
  readonly folder: string;
  readonly afterMs: number;
}

const defaultAfter = "90d";

export const coldHelp = {
  cold: "where files of the master dataset go whose events are old: a folder on a larger, slower disk",
  coldAfter: `how long ago the newest event of such a file is, a day at least (default: ${defaultAfter})`,
} as const;

/** Undefined where no folder is named. TIDEMARK_CONFIG. */
export function coldOptions({ cold, coldAfter }: ColdFlags): ColdOptions | undefined {
  const afterMs = coldAfterMs(coldAfter);
  if (cold !== undefined) return { folder: resolve(cold), afterMs };
  if (coldAfter === undefined) return undefined;
  throw new TidemarkError("TIDEMARK_CONFIG", "--cold-after says when, and --cold where to: name the folder");
}

/** TIDEMARK_CONFIG for what is no length of time of a day at least. */
export function coldAfterMs(text = defaultAfter): number {
  const ms = parseKeep(text);
  if (ms !== undefined) return ms;
  throw new TidemarkError(
    "TIDEMARK_CONFIG",
    `--cold-after ${text} is no length of time of a day at least: say 90d, or 36h`,
  );
}
