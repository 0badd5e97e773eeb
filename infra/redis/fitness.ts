import { TidemarkError } from "../../views/errors.ts";

export interface Fitness {
  /** TIDEMARK_CONFIG if the server may lose what is put into it while it runs. */
  readonly unfit: TidemarkError | undefined;
  readonly warnings: readonly string[];
}

/** What the sections `memory` and `persistence` of Redis's INFO say about keeping a queue there. */
export function fitnessOf(info: string, shown: string): Fitness {
  const policy = fieldOf(info, "maxmemory_policy");
  const unfit =
    policy === undefined || policy === "noeviction"
      ? undefined
      : new TidemarkError(
          "TIDEMARK_CONFIG",
          `Redis at ${shown} has maxmemory-policy ${policy}, under which it throws batch runs away when memory runs short; set "maxmemory-policy noeviction" in redis.conf, or once by CONFIG SET maxmemory-policy noeviction`,
        );
  const warnings =
    fieldOf(info, "aof_enabled") === "0"
      ? [
          `Redis at ${shown} has no append-only file: batch runs that wait are lost when it is killed; set "appendonly yes" in redis.conf`,
        ]
      : [];
  return { unfit, warnings };
}

function fieldOf(info: string, name: string): string | undefined {
  return info
    .split("\n")
    .find((line) => line.startsWith(`${name}:`))
    ?.slice(name.length + 1)
    .trim();
}
