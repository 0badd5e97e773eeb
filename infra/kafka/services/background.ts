import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "./cache-folder.ts";

/** What runs in the background, as `services.json` in its folder has it. It is up as long as its keeper owns the folder. */
export interface BackgroundServices {
  readonly kafkaBrokers: readonly string[];
  readonly redisUrl: string;
  readonly pids: { readonly keeper: number; readonly kafka: readonly number[]; readonly redis: number };
}

/** What the keeper tells the one who started it. */
export type KeeperMessage =
  | { readonly kind: "report"; readonly what: string }
  | { readonly kind: "up"; readonly services: BackgroundServices }
  | { readonly kind: "failed"; readonly why: string };

export function backgroundFolder(): string {
  return join(cacheFolder(), "services");
}

const stateFile = () => join(backgroundFolder(), "services.json");

export async function readServices(): Promise<BackgroundServices | undefined> {
  try {
    return JSON.parse(await readFile(stateFile(), "utf8")) as BackgroundServices;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

export async function writeServices(services: BackgroundServices): Promise<void> {
  await writeFile(stateFile(), `${JSON.stringify(services, null, 2)}\n`);
}

export async function forgetServices(): Promise<void> {
  await rm(stateFile(), { force: true });
}
