import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleConsole } from "./console-files.ts";

/** Writes the console's files into the folder that is named: a part of `npm run build`. */
const [folder = "dist/serving-layer/console"] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
for (const [name, bytes] of await bundleConsole()) await writeFile(join(folder, name), bytes);
