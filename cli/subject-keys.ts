import { readDeclarations } from "../infra/declarations/declarations.ts";
import type { KafkaLog } from "../infra/kafka/kafka-log.ts";
import type { Lifecycle } from "../infra/lifecycle.ts";
import type { LmdbLog } from "../infra/log/lmdb-log.ts";
import { type Log, logEnd, type Topic } from "../infra/log/log.ts";
import { EncryptedLog } from "../infra/subject-keys/encrypted-log.ts";
import { KeyFiles } from "../infra/subject-keys/key-files.ts";
import { masterKeyOf, masterKeyVariable, readMasterKey } from "../infra/subject-keys/master-key.ts";
import { SharedSubjectKeys } from "../infra/subject-keys/shared-subject-keys.ts";
import { areThere, type KeyCount, SubjectKeys } from "../infra/subject-keys/subject-keys.ts";
import type { App } from "../views/app.ts";
import type { Cut } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import type { Subject, SubjectFacts } from "../views/subject.ts";
import type { dataFolder } from "./data-folder.ts";

/** A log as the layers see it. */
export interface ClearLog {
  /** In the clear, whether it is so in its store or not. */
  readonly log: Log;
  /**
   * Where the log ends in these topics, by default in all. From there on the subject's events have other keys, where
   * they have any.
   */
  readonly retire: (subject: Subject, topics?: readonly Topic[]) => Promise<Cut>;
  /** How many there were of those that were retired. */
  readonly destroyKeys: (subjects: readonly SubjectFacts[]) => Promise<number>;
  /** Undefined where none are needed, or many processes share them. */
  readonly keyCount: (() => KeyCount) | undefined;
}

interface ClearParts {
  readonly app: Pick<App, "events">;
  readonly folder: ReturnType<typeof dataFolder>;
  /** Where TIDEMARK_SHRED_KEY is read. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface ClearLogOptions extends ClearParts {
  readonly stored: LmdbLog;
  /** Only a writer retires and destroys. */
  readonly mode: "writer" | "reader";
}

/**
 * A data folder's log; the stored one itself if none of the app's events are encrypted. Throws TIDEMARK_CONFIG without the
 * master key, TIDEMARK_STORE_CORRUPT where the keys of records that were encrypted are gone.
 */
export async function inClear(options: ClearLogOptions, lifecycle: Lifecycle): Promise<ClearLog> {
  const { stored, mode, app, folder, environment } = options;
  const topics = encryptedTopics(app);
  if (topics.size === 0) return asItIs(stored);
  const isFirst = mode === "writer" && !areThere(folder.subjectKeys);
  if (isFirst) await requireNoneLost(folder);
  const masterKey = await readMasterKey({
    text: environment[masterKeyVariable],
    path: folder.masterKey,
    mayMake: isFirst,
  });
  const keys = lifecycle.use(await SubjectKeys.open({ path: folder.subjectKeys, masterKey, mode }));
  const log = lifecycle.use(new EncryptedLog({ log: stored, keys, topics }));
  return { ...clearLog(log), keyCount: () => keys.count() };
}

/** A cluster's log, in the same way. The stored one is closed by who opened it. */
export async function clusterInClear(
  { stored, app, folder, environment }: ClearParts & { readonly stored: KafkaLog },
  lifecycle: Lifecycle,
): Promise<ClearLog> {
  const masterKey = sharedMasterKey({ app, environment });
  if (masterKey === undefined) return asItIs(stored);
  const written = (topic: string) => stored.written(topic);
  const files = new KeyFiles(folder.subjectKeys);
  const keys = await SharedSubjectKeys.open({ files, masterKey, written });
  return clearLog(lifecycle.use(new EncryptedLog({ log: stored, keys, topics: encryptedTopics(app) })));
}

/** What a cluster's keys are wrapped with; undefined where none are needed. Throws TIDEMARK_CONFIG. */
export function sharedMasterKey({ app, environment }: Omit<ClearParts, "folder">): Buffer | undefined {
  return encryptedTopics(app).size === 0 ? undefined : masterKeyOf(environment[masterKeyVariable]);
}

/** Before a cluster's nodes start for the first time, and before the declaration is recorded. Throws as these do. */
export async function makeSharedKeys({ folder, ...parts }: ClearParts): Promise<void> {
  const masterKey = sharedMasterKey(parts);
  if (masterKey === undefined) return;
  const files = new KeyFiles(folder.subjectKeys);
  if ((await files.readMark()) === undefined) await requireNoneLost(folder);
  await SharedSubjectKeys.make({ files, masterKey });
}

function encryptedTopics({ events }: Pick<App, "events">): ReadonlySet<string> {
  return new Set(events.filter(({ encrypted }) => encrypted).map(({ name }) => name));
}

function asItIs(log: Log): ClearLog {
  return {
    log,
    retire: (_subject, topics = log.topics) => logEnd(log, topics),
    destroyKeys: async () => 0,
    keyCount: undefined,
  };
}

function clearLog(log: EncryptedLog): ClearLog {
  return {
    log,
    retire: (subject, topics) => log.retire(subject, topics),
    destroyKeys: (subjects) => log.destroyKeys(subjects),
    keyCount: undefined,
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
