/** Another process with a log open, for lmdb-log.test.ts: `log-process.ts write|follow|fill PATH [COUNT]`. */
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { TidemarkError } from "../../views/errors.ts";
import { append, follow, orders, visits } from "./log-contract.ts";

const [mode = "", path = "", count = "0"] = process.argv.slice(2);
const topics = [orders, visits];
const send = (message: unknown) => new Promise<void>((resolve) => process.send?.(message, () => resolve()));

/** Appends `partition:offset` texts for ever, some at once, and reports each acknowledged append. */
async function write(): Promise<void> {
  const log = await LmdbLog.open({ path, topics, mode: "writer" });
  const nexts = [...(await log.nexts(orders.name))] as number[];
  const appendOne = async (partition: number) => {
    const first = nexts[partition] ?? 0;
    const texts = Array.from({ length: 1 + (first % 40) }, (_, i) => `${partition}:${first + i}`);
    nexts[partition] = first + texts.length;
    const position = await log.append(texts.map((text) => append(partition, text)));
    await send([partition, position.get(orders.name)?.get(partition)]);
  };
  for (;;) await Promise.all([0, 1, 2, 0, 1, 2].map(appendOne));
}

async function followAll(): Promise<void> {
  const log = await LmdbLog.open({ path, topics, mode: "reader", pollMs: 5 });
  const [texts] = await follow(log, Number(count));
  await log[Symbol.asyncDispose]();
  await send(texts);
  process.disconnect();
}

/** Appends until it can't any more, and then still tries; prints why it could not, and how many appends were acknowledged. */
async function fill(): Promise<void> {
  const log = await LmdbLog.open({ path, topics, mode: "writer" });
  let acknowledged = 0;
  const codes: string[] = [];
  while (codes.length < 3) {
    try {
      await log.append([append(0, "x".repeat(100_000))]);
      acknowledged++;
    } catch (error) {
      codes.push(error instanceof TidemarkError ? error.code : String(error));
      for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate);
    }
  }
  console.log(JSON.stringify({ codes, acknowledged }));
  await log[Symbol.asyncDispose]();
}

if (mode === "write") await write();
if (mode === "follow") await followAll();
if (mode === "fill") await fill();
