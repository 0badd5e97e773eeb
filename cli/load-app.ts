import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { App } from "../views/app.ts";
import { TidemarkError } from "../views/errors.ts";

/** The app that a file declares: its default export, made by `defineApp`. */
export async function loadApp(path: string): Promise<App> {
  const file = resolve(path);
  if (!existsSync(file)) {
    throw new TidemarkError("TIDEMARK_CONFIG", `there is no app at ${file}: name one with --app FILE`);
  }
  const module = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
  if ((module.default as { kind?: unknown } | undefined)?.kind !== "app") {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `${file} must have an app as its default export: export default defineApp({ … })`,
    );
  }
  return module.default as App;
}
