import { readlinkSync } from "node:fs";
import { getPriority } from "node:os";
import { basename } from "node:path";
import { parentPort } from "node:worker_threads";
import { register } from "tsx/esm/api";

register();
const { lowerThreadPriority } = await import("../../infra/priority.ts");
lowerThreadPriority();
parentPort?.postMessage(getPriority(Number(basename(readlinkSync("/proc/thread-self")))));
