/**
 * Publishes generations of `windowless`, one after the other, points at each and prunes, until it is killed. Every row of
 * the n-th holds n. Arguments: the root, the first n. Says the n of each on its standard output once pointed at.
 */
import { writeFile } from "node:fs/promises";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import { onlyFile } from "../../infra/generations/state-parts.ts";
import { inOrder, manifestOf, windowless } from "./some-view.ts";

const [root = "", first = "1"] = process.argv.slice(2);
const generations = await GenerationsFolder.own({
  root,
  onWatchError: (error) => {
    throw error;
  },
});
for (let n = Number(first); ; n++) {
  const id = `g${n}`;
  const rows = inOrder(
    Array.from({ length: 500 }, (_, i) => ({ dimensions: [`${i}`], pane: 0, cells: [n] })),
  );
  const draft = await generations.draft(windowless, id);
  for (const row of rows) await draft.add(row);
  await writeFile(draft.pathOf(onlyFile), `${n}`);
  await draft.publish(manifestOf(windowless, id, rows, { createdAt: new Date(n * 1000).toISOString() }));
  await generations.point("windowless", id);
  process.stdout.write(`${n}\n`);
  await generations.prune("windowless", 2);
}
