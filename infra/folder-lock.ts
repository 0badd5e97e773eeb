import { createHash } from "node:crypto";
import { mkdir, realpath, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TidemarkError } from "../views/errors.ts";

/**
 * Makes this process the only owner of a data folder, until disposed of or dead. The lock is a listening socket, so
 * that the system lets go of it with the process, however that ends; a process id in a file could be another's by then.
 * Throws TIDEMARK_STORE_LOCKED if a living process owns the folder.
 */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  await mkdir(folder, { recursive: true });
  const path = await socketPath(folder);
  let server = await listen(path);
  if (server === undefined) {
    const owner = await askOwner(path);
    if (owner === undefined) {
      await rm(path, { force: true });
      server = await listen(path);
    }
  }
  // Two starters may both have found a dead owner's socket: the one that the path leads to has won.
  const owner = await askOwner(path);
  if (server === undefined || owner !== process.pid) {
    server?.close();
    throw new TidemarkError(
      "TIDEMARK_STORE_LOCKED",
      `${folder} is in use by process ${owner ?? "?"}: a data folder has one owner; stop that process or name another folder`,
    );
  }
  const owned = server;
  return {
    async [Symbol.asyncDispose]() {
      await new Promise((closed) => owned.close(closed));
    },
  };
}

/** The process that owns a folder; undefined if none does. */
export async function folderOwner(folder: string): Promise<number | undefined> {
  await mkdir(folder, { recursive: true });
  return askOwner(await socketPath(folder));
}

/** Beside the folder a socket's path could be longer than the 107 bytes that the system takes. */
async function socketPath(folder: string): Promise<string> {
  const digest = createHash("sha256")
    .update(await realpath(folder))
    .digest("hex")
    .slice(0, 32);
  return process.platform === "win32"
    ? `\\\\.\\pipe\\tidemark-${digest}`
    : join(tmpdir(), `tidemark-${digest}.sock`);
}

/** Undefined if the path is taken. */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.end(String(process.pid));
    });
    server.unref();
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(undefined) : reject(error),
    );
    server.listen(path, () => resolve(server));
  });
}

/** The process id that the owner answers with; undefined if nobody listens. */
function askOwner(path: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(path);
    socket.setTimeout(2_000, () => socket.destroy());
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      answer += text;
    });
    socket.on("error", () => resolve(undefined));
    socket.on("close", () => resolve(answer === "" ? undefined : Number(answer)));
  });
}
