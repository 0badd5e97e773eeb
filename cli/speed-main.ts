/** The thread of `tidemark up` that folds: the speed layer, whose tail it tells the first thread. */
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { overRecords, readDeclarations } from "../infra/declarations/declarations.ts";
import { GenerationsFolder } from "../infra/generations/folder.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import { LmdbLog } from "../infra/log/lmdb-log.ts";
import { MasterFolder } from "../infra/master/folder.ts";
import { Peer } from "../infra/peer.ts";
import { givesWay, lowerThreadPriority } from "../infra/priority.ts";
import { TailCheckpoint } from "../infra/tail/checkpoint.ts";
import { channelToThread } from "../infra/thread-channel.ts";
import { startTracing } from "../infra/tracing.ts";
import { caughtUp } from "../speed-layer/caught-up.ts";
import { defaultEntries, startSpeedLayer } from "../speed-layer/main.ts";
import { TailTeller } from "../speed-layer/tail-teller.ts";
import { describeError, TidemarkError } from "../views/errors.ts";
import { isFolded } from "../views/layers.ts";
import type { View } from "../views/view.ts";
import { archivedPast } from "./archived-past.ts";
import { dataFolder } from "./data-folder.ts";
import { loadApp } from "./load-app.ts";
import type { SpeedNews, ViewCut } from "./speed-thread.ts";
import { inClear } from "./subject-keys.ts";

/**
 * How long a seal waits for the fold to catch up, in milliseconds: who asks for a run expects in it what was acknowledged
 * before. Of a fold that is farther behind the next run gets the rest.
 */
const sealWaitMs = 2_000;

if (parentPort === null) {
  throw new TidemarkError("TIDEMARK_CONFIG", "this program is started by `tidemark up`, not by hand");
}
const port = parentPort;
const { appPath, data } = workerData as { readonly appPath: string; readonly data: string };
const folder = dataFolder(data);
const app = overRecords(await loadApp(appPath), await readDeclarations(folder.declarations));
const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
const views = app.views.filter(isFolded);
const lifecycle = new Lifecycle();

// Nothing is asked before it is ready.
const peer: Peer = new Peer(channelToThread(port), {
  advanced: async () => stored.advanced(),
  release: async (payload) => {
    const { view, cut } = payload as ViewCut;
    speed.tail.release(views[view] as View, cut);
  },
  seal: async () => {
    await caughtUp({ tail: speed.tail, log, withinMs: sealWaitMs });
    return speed.seal();
  },
  renew: async () => {
    await speed.renew(async () => {
      await peer.call("let-go", null);
    });
    await teller.told();
  },
  stop: async () => {
    await lifecycle[Symbol.asyncDispose]();
    // What is answered now is the last thing said.
    setImmediate(() => port.close());
  },
});
const tracing = await startTracing(process.env, "all");
if (tracing !== undefined) lifecycle.use(tracing);
const stored = lifecycle.use(await LmdbLog.open({ path: folder.log, topics, mode: "reader" }));
const { log } = await inClear({ stored, mode: "reader", app, folder, environment: process.env }, lifecycle);
const checkpoint = lifecycle.use(await TailCheckpoint.open({ path: folder.tail, app }));
const tell = (method: string, payload: unknown) => {
  // Who does not hear it has gone.
  peer.call(method, payload).catch(() => undefined);
};
const speed = lifecycle.use(
  await startSpeedLayer({
    app,
    log,
    ...archivedPast(MasterFolder.read(folder.master, topics), async () => join(folder.scratch, "past")),
    checkpoint,
    generations: GenerationsFolder.read({
      root: folder.generations,
      // The first thread reads them as well, and says so.
      onWatchError: () => undefined,
    }),
    timers: globalThis,
    now: () => performance.now(),
    limits: { entries: defaultEntries },
    tracing,
    onTailNearBound: () => tell("near-bound", null),
    onUnaligned: (view, error) => tell("unaligned", { view: view.name, error: describeError(error) }),
  }),
);
const teller = lifecycle.use(
  new TailTeller({
    ...{ tail: speed.tail, views, isBehind: () => speed.isBehind },
    tell: async (telling) => {
      const news: SpeedNews = { telling, skipped: speed.skipped };
      await peer.call("tell", news, { moved: telling.rows.map(({ bytes }) => bytes.buffer) });
    },
  }),
);
lowerThreadPriority(givesWay.fold);
await teller.told();
await peer.call("ready", null);
await Promise.race([speed.done, teller.done]);
