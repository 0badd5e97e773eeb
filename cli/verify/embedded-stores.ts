import type { Lifecycle } from "../../infra/lifecycle.ts";
import { TailCheckpoint } from "../../infra/tail/checkpoint.ts";
import type { FolderAtRest } from "../folder-at-rest.ts";
import { openFolderLog } from "../folder-log.ts";
import type { Terminal } from "../terminal.ts";
import type { CheckedStores } from "./run-checks.ts";

/** Log and tail of one folder. */
export async function embeddedStores(
  atRest: FolderAtRest,
  terminal: Terminal,
  lifecycle: Lifecycle,
): Promise<CheckedStores> {
  const { app, folder } = atRest;
  const log = await openFolderLog(atRest, terminal, lifecycle);
  const checkpoint = lifecycle.use(await TailCheckpoint.open({ path: folder.tail, app }));
  const segments = await checkpoint.load();
  return {
    log,
    isOpenToAll: false,
    segments: async (view) => segments.filter((segment) => segment.view === view),
  };
}
