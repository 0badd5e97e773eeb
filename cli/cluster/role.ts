import { Lifecycle } from "../../infra/lifecycle.ts";
import { runBatch } from "./batch.ts";
import { runIngestion } from "./ingestion.ts";
import { ClusterNode, type NodeOptions, type RunningRole } from "./node.ts";
import type { Role } from "./role-names.ts";
import { runServing } from "./serving.ts";
import { runSpeed } from "./speed.ts";

const roles = {
  ingestion: runIngestion,
  speed: runSpeed,
  batch: runBatch,
  serving: runServing,
} satisfies Record<Role, unknown>;

/** Runs one layer of the app as one process of a cluster. */
export async function startRole(role: Role, options: NodeOptions): Promise<RunningRole> {
  const lifecycle = new Lifecycle();
  try {
    const node = await ClusterNode.open(options, lifecycle);
    const { url, done } = await roles[role](node, lifecycle);
    return { url, done, [Symbol.asyncDispose]: () => lifecycle[Symbol.asyncDispose]() };
  } catch (error) {
    await lifecycle[Symbol.asyncDispose]();
    throw error;
  }
}
