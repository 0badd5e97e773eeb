import type { Logger } from "pino";
import { VersionPointers } from "../infra/versions/version-pointers.ts";
import type { App } from "../views/app.ts";
import { familiesOf } from "../views/version.ts";

/** The pointers of the app's views. Those of which there is one version mean that one, whatever another process says. */
export function openVersionPointers(
  root: string,
  app: App,
  isAlone: boolean,
  logger: Logger,
): Promise<VersionPointers> {
  const families = [...familiesOf(app.views)];
  return VersionPointers.open({
    ...{ root, isAlone },
    families: families.map(([family]) => family),
    watched: families.filter(([, versions]) => versions.length > 1).map(([family]) => family),
    onWatchError: (err) => logger.error({ err }, "the pointers to active versions can't be read"),
  });
}
