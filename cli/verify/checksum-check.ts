import { stat } from "node:fs/promises";
import { sha256Of } from "../../infra/master/checksum.ts";
import type { MasterFolder } from "../../infra/master/folder.ts";
import type { App } from "../../views/app.ts";
import { formatBytes, formatCount, plural } from "../quantity.ts";
import type { Check } from "./check.ts";

/** Every file of the master dataset that readers take is, byte by byte, what was written. Older files have no checksum. */
export async function checkChecksums(check: Check, app: App, master: MasterFolder): Promise<void> {
  let files = 0;
  let bytes = 0;
  let unchecked = 0;
  for (const { name, partitions } of app.events) {
    for (let partition = 0; partition < partitions; partition++) {
      for (const { path, sha256 } of await master.checksummed(name, partition)) {
        if (sha256.length === 0) {
          unchecked++;
          continue;
        }
        const digest = await sha256Of(path);
        if (!sha256.includes(digest)) {
          check.problem(
            `${path} is not what was written: its SHA-256 is ${digest}, not ${sha256.join(" or ")}`,
          );
        }
        files++;
        bytes += (await stat(path)).size;
      }
    }
  }
  const without =
    unchecked === 0 ? "" : `; ${formatCount(unchecked)} more were written without a checksum: unchecked`;
  check.covered = `${plural(files, "file")}, ${formatBytes(bytes)}${without}`;
}
