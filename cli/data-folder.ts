import { join } from "node:path";

/** Where each store lies under a data folder; the same for `up`, the batch process and `verify`. */
export function dataFolder(root: string) {
  return {
    root,
    log: join(root, "log"),
    deadLetters: join(root, "dead-letters"),
    master: join(root, "master"),
    generations: join(root, "generations"),
    pasts: join(root, "pasts"),
    tail: join(root, "tail"),
    jobs: join(root, "jobs"),
    declarations: join(root, "declarations"),
    versions: join(root, "versions"),
    erasures: join(root, "erasures"),
    subjectKeys: join(root, "subject-keys"),
    /** What subjects' keys are wrapped with, unless the environment says it. */
    masterKey: join(root, "subject-keys.master"),
    scratch: join(root, "scratch"),
  } as const;
}
