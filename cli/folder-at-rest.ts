import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { overRecords, readDeclarations } from "../infra/declarations/declarations.ts";
import { lockFolder } from "../infra/folder-lock.ts";
import type { Lifecycle } from "../infra/lifecycle.ts";
import type { App } from "../views/app.ts";
import { TidemarkError } from "../views/errors.ts";
import { dataFolder } from "./data-folder.ts";
import { loadApp } from "./load-app.ts";
import type { Terminal } from "./terminal.ts";

export interface FolderAtRest {
  /** Over the schemas that the folder's records were written under. */
  readonly app: App;
  readonly folder: ReturnType<typeof dataFolder>;
  /** The log is in Kafka, and this is the folder that the nodes of a cluster share. */
  readonly isCluster: boolean;
}

/**
 * A data folder for a command that nothing may run beside: it is locked until the lifecycle ends. TIDEMARK_CONFIG for what is
 * none, TIDEMARK_STORE_LOCKED where something runs.
 */
export async function openAtRest(
  options: { readonly app: string; readonly data: string },
  terminal: Terminal,
  lifecycle: Lifecycle,
): Promise<FolderAtRest> {
  const opened = await openFolder(options, terminal);
  const { folder, isCluster } = opened;
  if (!isCluster && !existsSync(folder.log)) throw noDataFolder(folder.root, isCluster);
  lifecycle.use(await lockFolder(folder.root));
  return opened;
}

/** A data folder for a command that only reads, whatever runs beside it, even if the log is lost. Throws TIDEMARK_CONFIG. */
export async function openFolder(
  options: { readonly app: string; readonly data: string },
  { environment }: Terminal,
): Promise<FolderAtRest> {
  const folder = dataFolder(resolve(options.data));
  const isCluster = (environment.KAFKA_BROKERS ?? "") !== "" && !existsSync(folder.log);
  const app = overRecords(await loadApp(options.app), await readDeclarations(folder.declarations));
  if (!existsSync(folder.declarations)) throw noDataFolder(folder.root, isCluster);
  return { app, folder, isCluster };
}

function noDataFolder(data: string, isCluster: boolean): TidemarkError {
  const why = isCluster
    ? "no app was deployed to it; name the folder that the nodes share with --data"
    : "there is no log in it; name one with --data, or set KAFKA_BROKERS if it is the folder that a cluster's nodes share";
  return new TidemarkError("TIDEMARK_CONFIG", `${data} is no data folder: ${why}`);
}
