import type { Generations } from "../../infra/generations/generations.ts";
import { meantBy } from "../../infra/versions/meant-by.ts";
import { readVersionPointer } from "../../infra/versions/version-pointer.ts";
import { needsGeneration } from "../../views/version.ts";
import type { View } from "../../views/view.ts";
import type { Check } from "./check.ts";

/** The name of the family means a version that is declared, and that can be answered. */
export async function checkVersions(
  check: Check,
  versions: readonly View[],
  folder: string,
  generations: Pick<Generations, "current">,
): Promise<void> {
  const [first] = versions;
  if (first === undefined) return;
  const pointer = await readVersionPointer(folder, first.family);
  const meant = meantBy(versions, pointer) ?? first;
  if (pointer !== undefined && pointer.active !== meant.version) {
    check.problem(
      `version ${pointer.active} is active, which the app does not declare: version ${meant.version} answers in its place`,
    );
  }
  if (needsGeneration(meant) && (await generations.current(meant)) === undefined) {
    check.problem(`version ${meant.version} answers, and has no generation of its present declaration`);
  }
  check.covered = `version ${meant.version} of ${versions.map(({ version }) => version).join(", ")} is active`;
}
