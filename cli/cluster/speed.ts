import { randomUUID } from "node:crypto";
import { Membership } from "../../infra/kafka/membership.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { defaultEntries } from "../../speed-layer/main.ts";
import { measureFolding } from "../../speed-layer/speed-metrics.ts";
import { SpeedWorker } from "../../speed-layer/worker.ts";
import { archivedPast } from "../archived-past.ts";
import { type ClusterNode, registerHealth } from "./node.ts";

/** A speed worker: folds its share of the partitions. */
export async function runSpeed(node: ClusterNode, lifecycle: Lifecycle) {
  const { app, logger } = node;
  const { log } = await node.openLog();
  const jobs = await node.openJobs(randomUUID);
  const worker = lifecycle.use(
    new SpeedWorker({
      app,
      log,
      ...archivedPast(MasterFolder.read(node.folder.master, node.topics), () => node.makeScratch()),
      generations: node.generations(),
      newId: randomUUID,
      limits: { entries: defaultEntries },
      tracing: node.tracing,
      onTailNearBound: () => {
        const request = { requestedBy: "tail-bound", ifBusy: "refuse" } as const;
        jobs
          .submit(request)
          .catch((err: unknown) => logger.info({ err }, "no run is asked for to make room"));
      },
      onUnaligned: (view, err) =>
        logger.warn({ err, view: view.name }, "the tail can't reach a generation's cut"),
      onGap: (err) =>
        logger.error(
          { err },
          "the log has let go of records that were not folded: a batch run that has them is needed",
        ),
    }),
  );
  const membership = lifecycle.use(
    await Membership.join({
      settings: node.kafka,
      sessionMs: node.sessionMs,
      group: `tidemark.${app.name}.speed`,
      topics: node.topics.map(({ name }) => name),
      sharing: "spread",
      onAssigned: (assignment) => worker.assign(assignment),
      warn: (message) => logger.warn(message),
    }),
  );
  const server = node.createServer();
  measureFolding(server.metrics, worker);
  registerHealth(server, "speed", () => worker.obstacles);
  return { url: await node.listen(server), done: Promise.race([worker.done, membership.done]) };
}
