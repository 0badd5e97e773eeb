/**
 * `npm run torture`: the fault tests at full length; `-- --only embedded` or `-- --only kafka` for one half of them.
 * TORTURE_SEED repeats a run; TORTURE_EVENTS sets its size.
 */
import { parseArgs } from "node:util";
import { tortureCluster } from "./cluster/torture.ts";
import { surviveKills } from "./kills.ts";
import { compareAtMoments } from "./moments.ts";

const halves = ["embedded", "kafka"] as const;
const { only } = parseArgs({ options: { only: { type: "string" } } }).values;
const chosen = only === undefined ? halves : halves.filter((half) => half === only);
if (chosen.length === 0) throw new Error(`--only takes ${halves.join(" or ")}, not "${only}"`);

// Whatever was started ends with us.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

const seed = Number(process.env.TORTURE_SEED ?? Date.now() % 1_000_000);
const events = Number(process.env.TORTURE_EVENTS ?? 600_000);
const say = (text: string) => console.log(`  ${text}`);

console.log(`seed ${seed}, ${events} events (TORTURE_SEED=${seed} repeats this run)`);
if (chosen.includes("embedded")) {
  console.log("50 moments");
  console.log(await compareAtMoments({ seed, moments: 50, events, duplicates: 0.05, say }));
  console.log("30 kills");
  console.log(await surviveKills({ seed, kills: 30, events, say }));
}
if (chosen.includes("kafka")) {
  console.log("faults of a cluster on Kafka and Redis");
  await tortureCluster({ seed, events, say });
}
