import { canInstall, findProgram, install, isExecutable } from "../../infra/kafka/services/programs.ts";
import { TidemarkError } from "../../views/errors.ts";

const names = ["chromium", "chromium-browser", "google-chrome"] as const;

/** The path of a Chromium. Throws TIDEMARK_SERVICE_MISSING, which says how it can be had. */
export async function obtainChromium(report: (what: string) => void): Promise<string> {
  const { TIDEMARK_CHROMIUM } = process.env;
  if (TIDEMARK_CHROMIUM !== undefined && TIDEMARK_CHROMIUM !== "") {
    if (await isExecutable(TIDEMARK_CHROMIUM)) return TIDEMARK_CHROMIUM;
    throw missing(`TIDEMARK_CHROMIUM names ${TIDEMARK_CHROMIUM}, which is no program`);
  }
  const found = await findAny();
  if (found !== undefined) return found;
  if ((await canInstall()) && (await install(["chromium"], report))) {
    const installed = await findAny();
    if (installed !== undefined) return installed;
  }
  throw missing("there is no Chromium here");
}

async function findAny(): Promise<string | undefined> {
  for (const name of names) {
    const path = await findProgram(name);
    if (path !== undefined) return path;
  }
  return undefined;
}

function missing(what: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_SERVICE_MISSING",
    `${what}. Install it (Debian: apt-get install chromium), or name it with TIDEMARK_CHROMIUM`,
  );
}
