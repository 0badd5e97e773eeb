import { setTimeout as pause } from "node:timers/promises";
import type { Cut, Offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { SubjectKey } from "./encrypted-event.ts";
import { asLink, formatLink, readChain } from "./key-chain.ts";
import type { KeyFiles } from "./key-files.ts";
import { KeyWrapping, nameOf, newKey } from "./key-wrapping.ts";
import type { ErasedSubject, FoundKey, KeyedSubject, LogKeys } from "./log-keys.ts";
import { masterKeyVariable } from "./master-key.ts";

export interface SharedSubjectKeysOptions {
  readonly files: KeyFiles;
  readonly masterKey: Uint8Array;
  /** By partition, where the next record of a topic will stand, be it that readers don't get to see all before it yet. */
  readonly written: (topic: string) => Promise<readonly Offset[]>;
  /** How long an append waits for who is at its subject's keys. Default 2 s. */
  readonly waitMs?: number;
}

type MasterOptions = Pick<SharedSubjectKeysOptions, "files" | "masterKey">;

/** A key's file, whichever folder it is in. */
interface KeyFile {
  readonly topic: string;
  /** Wrapped, in base64. */
  readonly key: string;
}

/** Keys that were present at some moment of the epoch, and so are as long as it lasts. */
interface PresentKeys {
  readonly epoch: string | undefined;
  /** By the subject's name. */
  readonly ofSubjects: Map<string, SubjectKey>;
  /** By the key's. */
  readonly keys: Map<string, Uint8Array>;
}

/** At hand, so that not each has to be looked for in each batch. */
const maxPresent = 65_536;
const idPattern = /^[0-9a-f]{32}$/;
/** Between two looks at what somebody else is at. */
const pauseMs = 10;
/** Nobody looks more often where nobody else is at it. */
const looks = 4;

/**
 * Subjects' keys in a folder that the nodes of a cluster share, each wrapped with the master key; any number of nodes
 * make, read and retire keys. A key is in one of three folders, and goes on from each to the next: `keys` while it is
 * present; `retired`, with a bound that whoever needs it first finds in the log after that; `destroyed`, by its name
 * alone, which is random. `subjects` has the first of a subject's keys, under an HMAC of the subject's name, `next` the
 * one that follows a retired one.
 *
 * Between a key's retirement and its bound an epoch begins. A record that was read, or acknowledged, in an epoch before
 * lies before the bound. So all readers agree on the records that count, and who appends has to look once more when it
 * is acknowledged (`retired`).
 */
export class SharedSubjectKeys implements LogKeys {
  readonly #files: KeyFiles;
  readonly #wrapping: KeyWrapping;
  readonly #written: SharedSubjectKeysOptions["written"];
  readonly #waitMs: number;
  #present: PresentKeys = noneIn(undefined);

  /** To be done once, before a node opens them; done again it changes nothing. TIDEMARK_CONFIG as `open`. */
  static async make(options: MasterOptions): Promise<void> {
    await options.files.makeMark(markOf(options));
    await requireMaster(options);
  }

  /** TIDEMARK_STORE_CORRUPT if there are none, TIDEMARK_CONFIG if they are wrapped with another master key. */
  static async open(options: SharedSubjectKeysOptions): Promise<SharedSubjectKeys> {
    await requireMaster(options);
    return new SharedSubjectKeys(options);
  }

  private constructor({ files, masterKey, written, waitMs = 2_000 }: SharedSubjectKeysOptions) {
    this.#files = files;
    this.#wrapping = new KeyWrapping(masterKey);
    this.#written = written;
    this.#waitMs = waitMs;
  }

  /** TIDEMARK_INGEST_ERASING where a subject's keys are at somebody's hands for longer than an append can wait. */
  async present(subjects: readonly KeyedSubject[]): Promise<readonly SubjectKey[]> {
    const { ofSubjects, keys } = await this.#presentNow();
    const named = new Map(subjects.map((subject) => [nameOf(subject), subject]));
    const found = [...named].map(async ([name, subject]) => {
      const key = ofSubjects.get(name) ?? (await this.#keyOf(subject));
      ofSubjects.set(name, key);
      keys.set(key.id, key.key);
      return [name, key] as const;
    });
    const all = new Map(await Promise.all(found));
    return subjects.map((subject) => all.get(nameOf(subject)) as SubjectKey);
  }

  async retired(ids: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const { keys } = await this.#presentNow();
    const look = async (id: string) => (keys.has(id) || (await this.#files.isThere("keys", id)) ? [] : id);
    const retired = await Promise.all([...ids].map(look));
    return new Set(retired.flat());
  }

  async findAll(topic: string, ids: ReadonlySet<string>): Promise<ReadonlyMap<string, FoundKey>> {
    const { keys } = await this.#presentNow();
    const found = [...ids].map(async (id) => {
      const key = keys.get(id);
      return [id, key === undefined ? await this.#find(topic, id, keys) : { key }] as const;
    });
    return new Map(await Promise.all(found));
  }

  async retire(subjects: readonly KeyedSubject[]): Promise<Cut> {
    const bounds = subjects.map(async (subject) => [subject.topic, await this.#retire(subject)] as const);
    return Object.fromEntries(await Promise.all(bounds));
  }

  /** To be called by one process at a time. What it left when it died is done when it is called again. */
  async destroy(subjects: readonly ErasedSubject[]): Promise<number> {
    let destroyed = 0;
    for (const subject of subjects) destroyed += await this.#destroy(subject);
    return destroyed;
  }

  /** What is found to be present from here on is so in this epoch, or in one that has begun meanwhile. */
  async #presentNow(): Promise<PresentKeys> {
    const epoch = await this.#files.readEpoch();
    const { epoch: known, keys } = this.#present;
    if (epoch !== known || keys.size > maxPresent) this.#present = noneIn(epoch);
    return this.#present;
  }

  async #keyOf(subject: KeyedSubject): Promise<SubjectKey> {
    const index = this.#indexOf(subject);
    let made: { readonly id: string; readonly after: string | undefined } | undefined;
    for (let tried = 0; tried < looks + this.#waitMs / pauseMs; tried++) {
      if (tried >= looks) await pause(pauseMs);
      const chain = await readChain(this.#files, index);
      if (chain === undefined) continue;
      if (made !== undefined && !chain.ids.includes(made.id)) {
        // It was put behind a key that had just been destroyed, where nobody finds it.
        await this.#files.remove("keys", made.id);
        if (made.after !== undefined) await this.#files.remove("next", made.after);
      }
      const last = chain.ids.at(-1);
      if (last !== undefined && chain.present !== undefined)
        return { id: last, key: this.#unwrap(last, chain.present) };
      // What comes with the next key is to lie behind this one's bound.
      if (last !== undefined && (await this.#boundOf(last)) === undefined) continue;
      const id = await this.#make(subject.topic, index, last);
      made = id === undefined ? undefined : { id, after: last };
    }
    throw new TidemarkError(
      "TIDEMARK_INGEST_ERASING",
      `the key of one of the events' subjects is being destroyed, which takes longer than ${this.#waitMs} ms: send the events again, they are taken once that is done`,
    );
  }

  /** Gives its name; undefined if another has taken its place. It counts once its place says so. */
  async #make(topic: string, index: string, after: string | undefined): Promise<string | undefined> {
    const made = newKey("hex");
    const file: KeyFile = { topic, key: this.#wrapping.wrap(made).toString("base64") };
    await this.#files.create("keys", made.id, JSON.stringify(file));
    const link = formatLink({ present: made.id });
    const isFirst =
      after === undefined
        ? await this.#files.create("subjects", index, link)
        : await this.#files.create("next", after, link);
    if (isFirst) return made.id;
    await this.#files.remove("keys", made.id);
    return undefined;
  }

  async #retire(subject: KeyedSubject): Promise<readonly Offset[]> {
    for (;;) {
      // One that is made for it has no records; its bound is there for all that came before it.
      const { id } = await this.#keyOf(subject);
      await this.#files.move("keys", "retired", id);
      const bound = await this.#boundOf(id);
      if (bound !== undefined) return bound;
    }
  }

  /** Undefined of a key that is present, or is not there any more. */
  async #boundOf(id: string): Promise<readonly Offset[] | undefined> {
    const found = await this.#files.read("bounds", id);
    if (found !== undefined) return asBound(found);
    const file = await this.#files.read("retired", id);
    if (file === undefined) return undefined;
    // No key may have a bound and be present again after a crash, nor be at hand anywhere.
    await this.#files.sync("retired", id);
    await this.#files.beginEpoch();
    const written = await this.#written(asKeyFile(file).topic);
    await this.#files.create("bounds", id, JSON.stringify(written));
    const first = await this.#files.read("bounds", id);
    if (first !== undefined && (await this.#files.isThere("retired", id))) return asBound(first);
    await this.#files.remove("bounds", id);
    return undefined;
  }

  async #find(topic: string, id: string, keys: Map<string, Uint8Array>): Promise<FoundKey> {
    // Whoever writes to the topic may have thought of it.
    if (!idPattern.test(id)) return undefined;
    const present = await this.#files.read("keys", id);
    if (present !== undefined) {
      const key = this.#unwrap(id, present);
      keys.set(id, key);
      return { key };
    }
    const retired = await this.#files.read("retired", id);
    const bound = retired === undefined ? undefined : await this.#boundOf(id);
    if (retired !== undefined && bound !== undefined) {
      const isOfTopic = asKeyFile(retired).topic === topic;
      return { key: this.#unwrap(id, retired), bound: isOfTopic ? bound : undefined };
    }
    return (await this.#files.isThere("destroyed", id)) ? "destroyed" : undefined;
  }

  async #destroy(subject: ErasedSubject): Promise<number> {
    const index = this.#indexOf(subject);
    let destroyed = 0;
    for (;;) {
      const first = await this.#files.read("subjects", index);
      if (first === undefined) return destroyed;
      const { present, former } = asLink(first);
      if (former !== undefined) {
        if (await this.#shred(former)) destroyed++;
        if (present === undefined) await this.#files.remove("subjects", index);
        else await this.#files.replace("subjects", index, formatLink({ present }));
      }
      const bound = present === undefined ? undefined : await this.#boundOf(present);
      if (present === undefined || bound === undefined || !isWithin(bound, subject.bound)) return destroyed;
      // Either somebody has put a key behind it, or nobody can any more.
      await this.#files.create("next", present, formatLink({}));
      const next = asLink((await this.#files.read("next", present)) ?? formatLink({}));
      await this.#files.replace("subjects", index, formatLink({ ...next, former: present }));
    }
  }

  /** What it encrypted is known to be forgotten by its name, which stays. Says whether it was there. */
  async #shred(id: string): Promise<boolean> {
    await this.#files.create("destroyed", id, "");
    // A writer that died may have left the same file under a name of its own.
    await this.#files.remove("keys", id);
    const wasThere = await this.#files.remove("retired", id);
    await this.#files.remove("bounds", id);
    await this.#files.remove("next", id);
    return wasThere;
  }

  #unwrap(id: string, file: string): Buffer {
    return this.#wrapping.unwrap(id, Buffer.from(asKeyFile(file).key, "base64"));
  }

  #indexOf(subject: KeyedSubject): string {
    return this.#wrapping.indexOf(nameOf(subject)).toString("hex");
  }
}

function noneIn(epoch: string | undefined): PresentKeys {
  return { epoch, ofSubjects: new Map(), keys: new Map() };
}

function isWithin(bound: readonly Offset[], erased: ErasedSubject["bound"]): boolean {
  return erased === undefined || bound.every((next, partition) => next <= (erased[partition] ?? 0));
}

function asKeyFile(text: string): KeyFile {
  return JSON.parse(text) as KeyFile;
}

function asBound(text: string): readonly Offset[] {
  return JSON.parse(text) as readonly Offset[];
}

function markOf({ masterKey }: MasterOptions): string {
  return new KeyWrapping(masterKey).indexOf("").toString("hex");
}

async function requireMaster(options: MasterOptions): Promise<void> {
  const { files } = options;
  const mark = await files.readMark();
  if (mark === undefined) {
    throw new TidemarkError(
      "TIDEMARK_STORE_CORRUPT",
      `there are no subjects' keys at ${files.root}, and without them records can't be read: put them back from a copy`,
    );
  }
  if (mark === markOf(options)) return;
  throw new TidemarkError(
    "TIDEMARK_CONFIG",
    `the subjects' keys at ${files.root} are wrapped with another master key: give ${masterKeyVariable} as the one that they were made with`,
  );
}
