import { setTimeout as pause } from "node:timers/promises";
import { type Role, roleNames } from "../../../cli/cluster/role-names.ts";
import type { Stage } from "./stage.ts";

/** SIGKILL of a process of each role, one after the other in any order, each started again a while later. */
export async function killEachRole({ platform, random }: Stage): Promise<void> {
  for (const role of shuffled(random, roleNames)) {
    const number = random.whole(0, platform.count(role));
    await pause(random.whole(0, 500));
    await platform.kill(role, number);
    await pause(random.whole(0, 1_000));
    await platform.start(role, number);
  }
}

function shuffled(random: Stage["random"], roles: readonly Role[]): readonly Role[] {
  return roles
    .map((role) => ({ role, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ role }) => role);
}
