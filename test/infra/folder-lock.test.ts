import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockFolder } from "../../infra/folder-lock.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-lock-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("a folder has one owner until that lets go", async () => {
  const lock = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toMatchObject({
    code: "TIDEMARK_STORE_LOCKED",
    message: expect.stringContaining(String(process.pid)),
  });
  await lock[Symbol.asyncDispose]();
  await (await lockFolder(folder))[Symbol.asyncDispose]();
});

test("an owner that was killed does not lock the folder for ever", async () => {
  const owner = fork(new URL("./folder-owner.ts", import.meta.url), [folder], {
    execArgv: ["--import", "tsx/esm"],
  });
  await once(owner, "message");
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: "TIDEMARK_STORE_LOCKED" });
  owner.kill("SIGKILL");
  await once(owner, "exit");
  await (await lockFolder(folder))[Symbol.asyncDispose]();
});
