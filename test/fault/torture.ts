/**
 * `npm run torture`: the fault tests at full length; `-- --only embedded` for those of one process, `-- --only kafka` for
 * those of a cluster, or one part of them. TORTURE_SEED repeats a run; TORTURE_EVENTS sets its size.
 */
import { parseArgs } from "node:util";
import { clusterTortures } from "./cluster/torture.ts";
import { surviveFlips } from "./flips.ts";
import { surviveKills } from "./kills.ts";
import { compareAtMoments } from "./moments.ts";

const ofCluster = Object.keys(clusterTortures);
const ofOneProcess = ["moments", "kills", "flips"];
const groups: Readonly<Record<string, readonly string[]>> = { embedded: ofOneProcess, kafka: ofCluster };
const parts = [...ofOneProcess, ...ofCluster];
const { only = [] } = parseArgs({ options: { only: { type: "string", multiple: true } } }).values;
for (const name of only) {
  if (groups[name] === undefined && !parts.includes(name))
    throw new Error(`--only takes ${[...Object.keys(groups), ...parts].join(", ")}, not "${name}"`);
}
const chosen = only.flatMap((name) => groups[name] ?? [name]);
const isChosen = (part: string) => chosen.length === 0 || chosen.includes(part);

// Whatever was started ends with us.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

const seed = Number(process.env.TORTURE_SEED ?? Date.now() % 1_000_000);
const events = Number(process.env.TORTURE_EVENTS ?? 600_000);
const say = (text: string) => console.log(`  ${text}`);

console.log(`seed ${seed}, ${events} events (TORTURE_SEED=${seed} repeats this run)`);
if (isChosen("moments")) {
  console.log("50 moments");
  console.log(await compareAtMoments({ seed, moments: 50, events, duplicates: 0.05, say }));
}
if (isChosen("kills")) {
  console.log("30 kills");
  console.log(await surviveKills({ seed, kills: 30, events, say }));
}
if (isChosen("flips")) {
  console.log("30 kills around flips");
  console.log(await surviveFlips({ seed, kills: 30, say }));
}
for (const [part, torture] of Object.entries(clusterTortures)) {
  if (!isChosen(part)) continue;
  console.log(`a cluster on Kafka and Redis: ${part}`);
  await torture({ seed, events, say });
}
