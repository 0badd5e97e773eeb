import type { Lifecycle } from "../../infra/lifecycle.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { TailCheckpoint } from "../../infra/tail/checkpoint.ts";
import type { App } from "../../views/app.ts";
import type { dataFolder } from "../data-folder.ts";
import type { CheckedStores } from "./run-checks.ts";

/** Log and tail of one folder. */
export async function embeddedStores(
  app: App,
  folder: ReturnType<typeof dataFolder>,
  lifecycle: Lifecycle,
): Promise<CheckedStores> {
  const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
  const log = lifecycle.use(await LmdbLog.open({ path: folder.log, topics, mode: "reader" }));
  const checkpoint = lifecycle.use(await TailCheckpoint.open({ path: folder.tail, app }));
  const segments = await checkpoint.load();
  return {
    log,
    isOpenToAll: false,
    segments: async (view) => segments.filter((segment) => segment.view === view),
  };
}
