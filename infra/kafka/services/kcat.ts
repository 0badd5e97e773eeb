import { TidemarkError } from "../../../views/errors.ts";
import { canInstall, findProgram, install } from "./programs.ts";

/** The path of kcat. Throws TIDEMARK_SERVICE_MISSING, which says how it can be had. */
export async function obtainKcat(report: (what: string) => void = () => undefined): Promise<string> {
  const found = (await findProgram("kcat")) ?? (await findProgram("kafkacat"));
  if (found !== undefined) return found;
  if ((await canInstall()) && (await install(["kcat"], report))) {
    const installed = await findProgram("kcat");
    if (installed !== undefined) return installed;
  }
  throw new TidemarkError(
    "TIDEMARK_SERVICE_MISSING",
    "there is no kcat here. Install it (Debian: apt-get install kcat; macOS: brew install kcat)",
  );
}
