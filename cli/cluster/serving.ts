import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { ReplicatedTail } from "../../infra/tail/replicated-tail.ts";
import { registerServing } from "../../serving-layer/routes.ts";
import { columnScans } from "../column-scans.ts";
import { openErasures } from "../erasures.ts";
import { sqlBudget } from "../sql-budget.ts";
import { SqlWorker } from "../sql-worker.ts";
import { openVersionPointers } from "../version-pointers.ts";
import type { ClusterNode } from "./node.ts";
import { takeTurnsPublishing } from "./publishing.ts";

/** A serving node: answers queries from the generations and a tail of its own. */
export async function runServing(node: ClusterNode, lifecycle: Lifecycle) {
  const { app } = node;
  const files = await node.readDimensionFiles();
  const { log, retire } = await node.openLog();
  const deadLetters = node.deadLetters(log);
  const jobs = await node.openJobs(randomUUID);
  const tail = lifecycle.use(new ReplicatedTail({ app, log }));
  const scratch = await node.makeScratch();
  const scans = lifecycle.use(columnScans(join(scratch, "scans")));
  const sql = lifecycle.use(
    new SqlWorker({
      ...{ appPath: node.appPath, data: node.folder.root, isCluster: true },
      ...{ budget: sqlBudget(), timers: globalThis },
      folder: join(scratch, "sql"),
      failed: (message) => node.logger.error(message),
    }),
  );
  const pointers = lifecycle.use(await openVersionPointers(node.folder.versions, app, false, node.logger));
  const server = node.createServer();
  const serving = lifecycle.use(
    registerServing(server, {
      ...{ app, generations: node.generations(), tail, log, jobs, deadLetters, files },
      ...{ pointers, scans, sql: { engine: sql } },
      past: { fold: (range) => sql.fold(range), generations: node.generations(node.folder.pasts) },
      profile: "cluster",
      master: MasterFolder.read(node.folder.master, node.topics),
      erasures: {
        store: openErasures(node.folder.erasures),
        undeclared: node.undeclared,
        retire: (subject) => retire(subject, node.topics),
      },
    }),
  );
  let isForgetting = false;
  const forget = async () => {
    // Partitions are renewed one after the other; those that come while it waits for the first are seen to with it.
    if (isForgetting) return;
    isForgetting = true;
    await serving.renew().finally(() => {
      isForgetting = false;
    });
    sql.renew();
  };
  lifecycle.use(
    tail.onRenewed(() => {
      forget().catch((err: unknown) =>
        node.logger.error({ err }, "what was kept of before is not forgotten"),
      );
    }),
  );
  // An answer before that would be right, and of long ago.
  await tail.ready;
  const publishing = await takeTurnsPublishing(node, { serving, log, metrics: server.metrics }, lifecycle);
  return { url: await node.listen(server), done: Promise.race([tail.done, publishing.done]) };
}
