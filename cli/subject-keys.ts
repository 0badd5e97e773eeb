import { readDeclarations } from "../infra/declarations/declarations.ts";
import type { Lifecycle } from "../infra/lifecycle.ts";
import type { LmdbLog } from "../infra/log/lmdb-log.ts";
import { type Log, logEnd } from "../infra/log/log.ts";
import { EncryptedLog } from "../infra/subject-keys/encrypted-log.ts";
import { masterKeyVariable, readMasterKey } from "../infra/subject-keys/master-key.ts";
import { areThere, type KeyCount, SubjectKeys } from "../infra/subject-keys/subject-keys.ts";
import type { App } from "../views/app.ts";
import type { Cut } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import type { Subject } from "../views/subject.ts";
import type { dataFolder } from "./data-folder.ts";

/** A data folder's log as the layers see it. */
export interface ClearLog {
  /** In the clear, whether it is so in the folder or not. */
  readonly log: Log;
  /** Where the log ends. From there on the subject's events have other keys, where they have any. Of a log that is written. */
  readonly retire: (subject: Subject) => Promise<Cut>;
  /** How many there were of those that were retired. Of a log that is written. */
  readonly destroyKeys: (subjects: readonly Subject[]) => Promise<number>;
  /** Undefined where none are needed. */
  readonly keyCount: (() => KeyCount) | undefined;
}

export interface ClearLogOptions {
  readonly stored: LmdbLog;
  readonly mode: "writer" | "reader";
  readonly app: Pick<App, "events">;
  readonly folder: ReturnType<typeof dataFolder>;
  /** Where TIDEMARK_SHRED_KEY is read. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * The stored log itself if none of the app's events are encrypted. Throws TIDEMARK_CONFIG without the master key, TIDEMARK_STORE_CORRUPT
 * where the keys of records that were encrypted are gone.
 */
export async function inClear(options: ClearLogOptions, lifecycle: Lifecycle): Promise<ClearLog> {
  const { stored, mode, app, folder, environment } = options;
  const topics = new Set(app.events.filter(({ encrypted }) => encrypted).map(({ name }) => name));
  if (topics.size === 0) {
    return {
      log: stored,
      retire: () => logEnd(stored, stored.topics),
      destroyKeys: async () => 0,
      keyCount: undefined,
    };
  }
  const isFirst = mode === "writer" && !areThere(folder.subjectKeys);
  if (isFirst) await requireNoneLost(folder);
  const masterKey = await readMasterKey({
    text: environment[masterKeyVariable],
    path: folder.masterKey,
    mayMake: isFirst,
  });
  const keys = lifecycle.use(await SubjectKeys.open({ path: folder.subjectKeys, masterKey, mode }));
  const log = lifecycle.use(new EncryptedLog({ log: stored, keys, topics }));
  return {
    log,
    retire: (subject) => log.retire(subject),
    destroyKeys: (subjects) => log.destroyKeys(subjects),
    keyCount: () => keys.count(),
  };
}

async function requireNoneLost({ declarations, subjectKeys }: ClearLogOptions["folder"]): Promise<void> {
  const { types } = await readDeclarations(declarations);
  const encrypted = [...types.values()].find(({ encryptedFrom }) => encryptedFrom !== undefined);
  if (encrypted === undefined) return;
  throw new TidemarkError(
    "TIDEMARK_STORE_CORRUPT",
    `${subjectKeys} is gone, and with it the keys without which records of ${encrypted.name} can't be read: put it back from a copy`,
  );
}

/** The nodes of a cluster share no store of keys. */
export function requireNoneEncrypted({ events }: Pick<App, "events">): void {
  const encrypted = events.filter((type) => type.encrypted).map(({ name }) => name);
  if (encrypted.length === 0) return;
  throw new TidemarkError(
    "TIDEMARK_CONFIG",
    `${encrypted.join(", ")}: declared with encrypted: true, which takes a data folder of one platform alone so far; a cluster, whose log is in Kafka, takes events that are not encrypted`,
  );
}
