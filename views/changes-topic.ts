import type { View } from "./view.ts";

/** Where the rows of a published view are told to others. Names of views have no dots, so that no two share one. */
export function changesTopic(app: string, { family, version }: Pick<View, "family" | "version">): string {
  return `${app}.${family}${version === 1 ? "" : `.v${version}`}.changes`;
}
