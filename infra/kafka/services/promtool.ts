import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { TidemarkError } from "../../../views/errors.ts";
import { cacheFolder } from "./cache-folder.ts";
import { canInstall, findProgram, isExecutable, run } from "./programs.ts";

/**
 * The path of promtool, Prometheus' own checker. Debian has it in the package of the server, which installing would start: it is
 * unpacked aside instead. Throws TIDEMARK_SERVICE_MISSING, which says how it can be had.
 */
export async function obtainPromtool(report: (what: string) => void = () => undefined): Promise<string> {
  const found = await findProgram("promtool");
  if (found !== undefined) return found;
  const folder = join(cacheFolder(), "prometheus");
  const unpacked = join(folder, "usr/bin/promtool");
  if (await isExecutable(unpacked)) return unpacked;
  if ((await canInstall()) && (await unpack(folder, report)) && (await isExecutable(unpacked)))
    return unpacked;
  throw new TidemarkError(
    "TIDEMARK_SERVICE_MISSING",
    "there is no promtool here. It comes with Prometheus (Debian: apt-get install prometheus; macOS: brew install prometheus)",
  );
}

async function unpack(folder: string, report: (what: string) => void): Promise<boolean> {
  const aside = `${folder}.${process.pid}`;
  await mkdir(aside, { recursive: true });
  try {
    report("apt-get download prometheus");
    const download = () => run("sh", ["-c", 'cd "$1" && apt-get -q download prometheus', "sh", aside]);
    if ((await download()).code !== 0) {
      await run("apt-get", ["-q", "update"]);
      if ((await download()).code !== 0) return false;
    }
    const archive = (await readdir(aside)).find((name) => name.endsWith(".deb")) ?? "";
    if ((await run("dpkg-deb", ["-x", join(aside, archive), join(aside, "unpacked")])).code !== 0)
      return false;
    await rm(folder, { recursive: true, force: true });
    await rename(join(aside, "unpacked"), folder);
    return true;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}
