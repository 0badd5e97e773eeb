import type { App } from "../../views/app.ts";
import { changesTopic } from "../../views/changes-topic.ts";
import type { View } from "../../views/view.ts";
import type { Topic } from "../log/log.ts";

export function publishedViews({ views }: Pick<App, "views">): readonly View[] {
  return views.filter(({ publish }) => publish);
}

/** As many partitions as that of the view's own topics has which has the most. */
export function changesPartitions({ mappings }: View): number {
  return Math.max(...mappings.map(({ event }) => event.partitions));
}

/** Those of all views that are published. */
export function changesTopics(app: App): readonly Topic[] {
  return publishedViews(app).map((view) => ({
    name: changesTopic(app.name, view),
    partitions: changesPartitions(view),
  }));
}
