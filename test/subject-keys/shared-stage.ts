import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import type { Append, Log } from "../../infra/log/log.ts";
import { EncryptedLog } from "../../infra/subject-keys/encrypted-log.ts";
import { KeyFiles } from "../../infra/subject-keys/key-files.ts";
import { SharedSubjectKeys } from "../../infra/subject-keys/shared-subject-keys.ts";
import { type Cut, offset } from "../../views/cut.ts";

export const topic = "test.letter.sent";
const masterKey = Buffer.alloc(32, 7);

/** A log and a folder of keys, for the tests of a file. */
export function sharedStage() {
  const lifecycle = new Lifecycle();
  let root: string;
  let stored: LmdbLog;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "tidemark-shared-keys-"));
    stored = lifecycle.use(
      await LmdbLog.open({
        path: join(root, "log"),
        topics: [{ name: topic, partitions: 1 }],
        mode: "writer",
      }),
    );
    await SharedSubjectKeys.make({ files: new KeyFiles(join(root, "keys")), masterKey });
  });
  afterAll(async () => {
    await lifecycle[Symbol.asyncDispose]();
    await rm(root, { recursive: true });
  });

  const written = (name: string) => stored.nexts(name);

  /** What a node has: a log over a log that all share. */
  async function nodeOf(log: Log = stored, files = new KeyFiles(join(root, "keys")), ends = written) {
    const keys = await SharedSubjectKeys.open({ files, masterKey, written: ends, waitMs: 200 });
    return new EncryptedLog({ log, keys, topics: new Set([topic]) });
  }

  /** The log, but for what happens before and after an append of it. */
  function around(
    before: () => Promise<unknown>,
    after: () => Promise<unknown> = async () => undefined,
  ): Log {
    const append = async (records: readonly Append[]) => {
      await before();
      const position = await stored.append(records);
      await after();
      return position;
    };
    return new Proxy(stored, {
      get(_, name) {
        if (name === "append") return append;
        const member = Reflect.get(stored, name) as unknown;
        return typeof member === "function" ? member.bind(stored) : member;
      },
    });
  }

  let sent = 0;

  function letterOf(who: string): Append & { readonly id: string } {
    const id = `n${++sent}`;
    const value = { specversion: "1.0", id, source: "/desk", type: topic, time: "2026-03-01T08:00:00Z" };
    return {
      ...{ id, topic, partition: 0, key: who },
      value: Buffer.from(JSON.stringify({ ...value, data: { who } })),
    };
  }

  const endOf = async () => (await stored.nexts(topic))[0] ?? offset(0);

  /** Ids of what a reader sees from an offset on, each with its own, and what it is told to be forgotten. */
  async function readFrom(log: Log, from: number) {
    const read: { readonly at: number; readonly id: string }[] = [];
    const forgotten: number[] = [];
    for await (const batch of log.read(topic, 0, offset(from), await endOf())) {
      forgotten.push(...(batch.forgotten ?? []));
      for (const { offset: at, value } of batch.records) {
        const { id, encryption } = JSON.parse(Buffer.from(value).toString());
        read.push({ at, id: encryption === undefined ? id : "unreadable" });
      }
    }
    return { read, ids: read.map(({ id }) => id), forgotten };
  }

  /** Of the folder, what there is but for the names of keys that were destroyed. */
  async function filesOf(...folders: readonly string[]): Promise<readonly string[]> {
    const entries = await Promise.all(
      folders.map((folder) =>
        readdir(join(root, "keys", folder), { recursive: true, withFileTypes: true }).catch(() => []),
      ),
    );
    return entries.flat().flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []));
  }

  const erase = async (log: EncryptedLog, key: string) => {
    const subject = { key, type: null };
    const bound: Cut = await log.retire(subject);
    return { bound: Number(bound[topic]?.[0]), destroy: () => log.destroyKeys([{ ...subject, bound }]) };
  };

  return {
    ...{ nodeOf, around, letterOf, endOf, readFrom, filesOf, erase, written },
    stored: () => stored,
    keysRoot: () => join(root, "keys"),
  };
}
