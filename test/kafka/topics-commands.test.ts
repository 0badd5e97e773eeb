import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import { expect, inject, onTestFinished, test } from "vitest";
import { loadApp } from "../../cli/load-app.ts";
import { runCommandLine } from "../../cli/program.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";
import { wantedTopics } from "../../infra/kafka/topics.ts";

/** An app on disk whose names no other test has, and the command line with the broker in its environment. */
async function shop() {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-topics-"));
  const id = `t${randomBytes(6).toString("hex")}`;
  await mkdir(join(folder, "node_modules"));
  await symlink(fileURLToPath(new URL("../../", import.meta.url)), join(folder, "node_modules/tidemark"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  const brokers = inject("kafkaBrokers").join(",");
  const admin = new TopicAdmin(kafkaSettings({ KAFKA_BROKERS: brokers }));
  let apps = 0;
  let folders = 0;
  /** One that nothing ran on. */
  const data = () => join(folder, `data-${folders++}`);
  const declared = async (partitions: number) => {
    const path = join(folder, `app-${apps++}.ts`);
    await writeFile(
      path,
      `import { count, defineApp, defineEvent, defineView, sum, tumbling, Type } from "tidemark";
const order = defineEvent({ name: "test.${id}.placed", partitions: ${partitions}, schema: Type.Object({ city: Type.String(), cents: Type.Integer() }) });
const turnover = defineView({ name: "turnover", from: order, by: (f) => ({ city: f.city, hour: tumbling("1h") }), measures: (f) => ({ orders: count(), cents: sum(f.cents) }) });
export default defineApp({ name: "${id}", views: [turnover] });
`,
    );
    return path;
  };
  onTestFinished(async () => {
    const steps = await admin.plan(wantedTopics(await loadApp(await declared(1))));
    const there = steps.filter(({ kind }) => kind !== "create").map(({ topic }) => topic.name);
    if (there.length > 0) await admin.delete(there);
    await admin[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const run = async (...args: string[]) => {
    const [out, err] = [new PassThrough(), new PassThrough()];
    const environment = { KAFKA_BROKERS: brokers };
    const code = await runCommandLine({ out, err, isInteractive: false, environment, now: () => 0 }, args);
    const left = process.exitCode;
    process.exitCode = undefined;
    return { code: left ?? code, out: String(out.read() ?? ""), err: String(err.read() ?? "") };
  };
  return { id, declared, run, data };
}

test("topics apply shows what it does, does it if it is told so, and has nothing to do then", async () => {
  const { id, declared, run, data } = await shop();
  const app = await declared(3);
  const unasked = await run("topics", "apply", "--app", app, "--data", data());
  expect(unasked).toMatchObject({ code: 1, err: expect.stringContaining("say --yes") });
  expect(unasked.out).toMatch(new RegExp(`test\\.${id}\\.placed\\.tail\\s+tail\\s+3\\s+create`));
  const applied = await run("topics", "apply", "--app", app, "--yes", "--data", data());
  expect(applied).toMatchObject({ code: 0, out: expect.stringMatching(/5 topics to create.*\n.*done/s) });
  const planned = await run("topics", "plan", "--app", app, "--json");
  const plans = (JSON.parse(planned.out) as { readonly topics: readonly { readonly plan: string }[] }).topics;
  expect(plans.map((topic) => topic.plan)).toEqual(Array(5).fill("unchanged"));
});

test("another number of partitions is refused with the way out, and ends with 1", async () => {
  const { id, declared, run, data } = await shop();
  await run("topics", "apply", "--app", await declared(2), "--yes", "--data", data());
  const refused = await run("topics", "plan", "--app", await declared(4));
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.out).toMatch(
    new RegExp(
      `test\\.${id}\\.placed: it is declared with 4 partitions, but Kafka has it with 2: .*Declare 2`,
    ),
  );
  expect(await run("topics", "apply", "--app", await declared(4), "--yes", "--data", data())).toMatchObject({
    code: 1,
    err: expect.stringContaining("TIDEMARK_KAFKA_TOPICS"),
  });
});

test("plan measures one partition, shows its sums, and leaves no topic behind", async () => {
  const { id, declared, run } = await shop();
  const app = await declared(2);
  const answer = await run("plan", "--app", app, "--events-per-second", "1000000", "--json");
  expect(answer.err).toBe("");
  const { types } = JSON.parse(answer.out);
  const [{ produced, consumed, partitions, events }] = types;
  expect(events).toBeGreaterThan(0);
  expect(partitions).toBe(Math.max(Math.ceil(1_000_000 / produced), Math.ceil(1_000_000 / consumed)));
  const table = await run("plan", "--app", app, "--events-per-second", "1");
  expect(table.out).toMatch(/max\(1 \/ [\d,]+, 1 \/ [\d,]+\) → 1; 2 are enough/);
  expect(await run("plan", "--app", app, "--events-per-second", "1", "--type", "no.such.type")).toMatchObject(
    {
      code: 1,
      err: expect.stringContaining(`has no event type "no.such.type", but test.${id}.placed`),
    },
  );
});
