import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { fileURLToPath } from "node:url";

/** The console as browsers fetch it: one page, and what it loads by names that hold a hash of their content. */
export interface ConsoleFiles {
  readonly page: string;
  readonly assets: ReadonlyMap<string, Asset>;
}

export interface Asset {
  readonly type: string;
  readonly bytes: Uint8Array;
}

const types: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

const folder = fileURLToPath(new URL("./console/", import.meta.url));

/** In a checkout the console is bundled here, in a tenth of a second; a build has it as files, and needs no bundler. */
export async function readConsole(): Promise<ConsoleFiles> {
  return consoleOf(existsSync(`${folder}main.tsx`) ? await bundleConsole() : await readBuilt());
}

/** By name, the files that the console consists of. */
export async function bundleConsole(): Promise<ReadonlyMap<string, Uint8Array>> {
  const { build, stop } = await import("esbuild");
  try {
    const { outputFiles } = await build({
      entryPoints: [`${folder}main.tsx`, `${folder}mark.svg`],
      outdir: "/console",
      entryNames: "[name]-[hash]",
      loader: { ".svg": "copy" },
      bundle: true,
      write: false,
      minify: true,
      format: "iife",
      target: "es2022",
      jsx: "automatic",
      jsxImportSource: "preact",
      legalComments: "none",
      logLevel: "silent",
    });
    return new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]));
  } finally {
    await stop();
  }
}

async function readBuilt(): Promise<ReadonlyMap<string, Uint8Array>> {
  const names = (await readdir(folder)).filter((name) => extname(name) in types);
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(folder + name)] as const)),
  );
}

function consoleOf(files: ReadonlyMap<string, Uint8Array>): ConsoleFiles {
  const assets = new Map(
    [...files].map(([name, bytes]) => [name, { type: types[extname(name)] ?? "", bytes }]),
  );
  const [script, style, mark] = [".js", ".css", ".svg"].map((extension) =>
    [...assets.keys()].find((name) => name.endsWith(extension)),
  );
  // The script stands in the head, and not deferred, so that the chosen colours are there before the first paint.
  const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Tidemark</title>
<link rel="icon" href="/console/${mark}" type="image/svg+xml">
<link rel="stylesheet" href="/console/${style}">
<script src="/console/${script}"></script>
</head>
<body><div id="console"><noscript>The console needs JavaScript. Without it: GET / with "Accept: application/json".</noscript></div></body>
</html>
`;
  return { page, assets };
}
