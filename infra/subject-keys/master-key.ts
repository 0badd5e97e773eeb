import { randomBytes } from "node:crypto";
import { stat, writeFile } from "node:fs/promises";
import { TidemarkError } from "../../views/errors.ts";
import { asidePath, moveDurably } from "../durable.ts";
import { readIfThere } from "../generations/manifest.ts";

export const masterKeyVariable = "TIDEMARK_SHRED_KEY";

export interface MasterKeyOptions {
  /** Of the variable; undefined or empty: the file's counts. */
  readonly text: string | undefined;
  readonly path: string;
  /** Whether the file is made if there is neither: nothing is wrapped yet. */
  readonly mayMake: boolean;
}

/** The key that subjects' keys are wrapped with: 32 bytes. TIDEMARK_CONFIG for one that is none, or that others could read. */
export async function readMasterKey({ text, path, mayMake }: MasterKeyOptions): Promise<Buffer> {
  if (text !== undefined && text !== "") return parse(text, masterKeyVariable);
  const kept = await readIfThere(path);
  if (kept !== undefined) {
    const { mode } = await stat(path);
    if ((mode & 0o077) === 0) return parse(kept.trim(), path);
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `${path} holds the key that all subjects' keys are wrapped with, and can be read by others than its owner: chmod 600 ${path}`,
    );
  }
  if (!mayMake) {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `the key that subjects' keys are wrapped with is missing: set ${masterKeyVariable}, or put back ${path}`,
    );
  }
  const key = randomBytes(32);
  const aside = asidePath(path);
  await writeFile(aside, `${key.toString("base64")}\n`, { mode: 0o600 });
  await moveDurably(aside, path);
  return key;
}

/** Of the variable alone, for who shares a folder with others. Throws TIDEMARK_CONFIG. */
export function masterKeyOf(text: string | undefined): Buffer {
  if (text !== undefined && text !== "") return parse(text, masterKeyVariable);
  throw new TidemarkError(
    "TIDEMARK_CONFIG",
    `the key that subjects' keys are wrapped with is missing: in a cluster each process, and who deploys, is given ${masterKeyVariable}, one and the same, such as "openssl rand -base64 32" prints`,
  );
}

function parse(text: string, what: string): Buffer {
  if (/^[A-Za-z0-9+/]{43}=$/.test(text)) return Buffer.from(text, "base64");
  throw new TidemarkError(
    "TIDEMARK_CONFIG",
    `${what} must be 32 bytes in base64, such as "openssl rand -base64 32" prints`,
  );
}
