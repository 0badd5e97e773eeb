/** `npm run torture`: the fault tests at full length. TORTURE_SEED repeats a run; TORTURE_EVENTS sets its size. */
import { surviveKills } from "./kills.ts";
import { compareAtMoments } from "./moments.ts";

const seed = Number(process.env.TORTURE_SEED ?? Date.now() % 1_000_000);
const events = Number(process.env.TORTURE_EVENTS ?? 600_000);
const say = (text: string) => console.log(`  ${text}`);

console.log(`seed ${seed}, ${events} events (TORTURE_SEED=${seed} repeats this run)`);
console.log("50 moments");
console.log(await compareAtMoments({ seed, moments: 50, events, duplicates: 0.05, say }));
console.log("30 kills");
console.log(await surviveKills({ seed, kills: 30, events, say }));
