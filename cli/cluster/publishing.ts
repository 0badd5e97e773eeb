import { randomUUID } from "node:crypto";
import { changesPartitions, publishedViews } from "../../infra/changes/published-views.ts";
import { Membership } from "../../infra/kafka/membership.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import type { Log } from "../../infra/log/log.ts";
import type { Metrics } from "../../infra/metrics.ts";
import type { Serving } from "../../serving-layer/routes.ts";
import { changesTopic } from "../../views/changes-topic.ts";
import type { ClusterNode } from "./node.ts";
import { Turns } from "./turns.ts";

export interface Publishing {
  readonly serving: Pick<Serving, "publishChanges">;
  /** Has the topics of changes. */
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * Of all serving nodes the one that is there for longest publishes the app's views; the others stand by. Comes back once this one
 * stands by at least. What it gives rejects if it can't any more.
 */
export async function takeTurnsPublishing(
  node: ClusterNode,
  { serving, log, metrics }: Publishing,
  lifecycle: Lifecycle,
): Promise<{ readonly done: Promise<void> }> {
  const views = publishedViews(node.app);
  const never = new Promise<void>(() => {});
  if (views.length === 0) return { done: never };
  const told = metrics.counter("tidemark_changes_published_total", "Rows told in topics of changes.", [
    "view",
  ]);
  let isPublishing = false;
  metrics.gauge(
    "tidemark_changes_publisher",
    "Whether this node is the one that publishes changes: 1, or 0.",
    [],
    (note) => note(isPublishing ? 1 : 0),
  );
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  const start = async () => {
    const publishers = new Lifecycle();
    for (const view of views) {
      const topic = { name: changesTopic(node.app.name, view), partitions: changesPartitions(view) };
      const count = (rows: number) => told.inc({ view: view.name }, rows);
      publishers.use(serving.publishChanges(view, { topic, log, newId: randomUUID, count }));
    }
    isPublishing = true;
    publishers.defer(() => {
      isPublishing = false;
    });
    return publishers;
  };
  const turns = lifecycle.use(new Turns(start, fail));
  const membership = lifecycle.use(
    await Membership.join({
      settings: node.kafka,
      sessionMs: node.sessionMs,
      group: `tidemark.${node.app.name}.publish`,
      topics: node.topics.map(({ name }) => name),
      sharing: "one",
      onAssigned: (assignment) =>
        turns.set(Object.values(assignment).some((partitions) => partitions.length > 0)),
      warn: (message) => node.logger.warn(message),
    }),
  );
  return { done: Promise.race([failed, membership.done]) };
}
