/** `npm run fuzz -- --minutes 30 [--seed N]`: the parity fuzz for as long as one likes, on two lanes. */
import { parseArgs } from "node:util";
import { fuzz } from "./fuzz.ts";
import { reproFolder, writeRepro } from "./repros.ts";

const { values } = parseArgs({ options: { minutes: { type: "string" }, seed: { type: "string" } } });
const minutes = Number(values.minutes ?? 1);
const firstSeed = Number(values.seed ?? Date.now() % 1_000_000_000);
if (!(minutes > 0) || !Number.isSafeInteger(firstSeed)) {
  console.error("usage: npm run fuzz -- [--minutes 30] [--seed N]");
  process.exit(2);
}

/** As many as a seed stands for in the test, so that a seed which fails there fails here. */
const casesPerSeed = 1_000;
const start = performance.now();
let seed = firstSeed;
let cases = 0;
let hasFailed = false;
const end = new AbortController();
const { signal } = end;
// Node 20 lets go of an AbortSignal.timeout() that only AbortSignal.any() knows of, and the run would never end.
const timer = setTimeout(() => end.abort(), minutes * 60_000);

const rate = () => (cases / ((performance.now() - start) / 1_000)).toFixed(0);
const say = () => console.log(`  ${cases} cases, ${rate()} per second, seeds ${firstSeed} to ${seed - 1}`);

async function lane(): Promise<void> {
  while (!signal.aborted) {
    const mine = seed++;
    const progress = () => {
      if (++cases % 500 === 0) say();
    };
    const { failure } = await fuzz({ seed: mine, cases: casesPerSeed, signal, progress });
    if (failure === undefined) continue;
    hasFailed = true;
    end.abort();
    const path = new URL(await writeRepro(failure), reproFolder).pathname;
    console.log(`seed ${mine} found a disagreement: ${failure.message}\nits smallest case is in ${path}`);
  }
}

console.log(`${minutes} minutes from seed ${firstSeed} on`);
await Promise.all([lane(), lane()]);
clearTimeout(timer);
say();
process.exitCode = hasFailed ? 1 : 0;
