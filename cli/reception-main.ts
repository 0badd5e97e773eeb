/** The thread of `tidemark up` in which events are parsed, checked and written to the log, or to the dead letters. */
import { randomUUID } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { LmdbDeadLetters } from "../infra/dead-letters/lmdb-dead-letters.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import { LmdbLog } from "../infra/log/lmdb-log.ts";
import { trimUpTo } from "../infra/log/log.ts";
import type { Peer } from "../infra/peer.ts";
import { givesWay, lowerThreadPriority } from "../infra/priority.ts";
import { channelToThread } from "../infra/thread-channel.ts";
import { KeyPartitions } from "../ingestion/key-partitions.ts";
import { defaultLimits } from "../ingestion/limits.ts";
import { LocalReception } from "../ingestion/reception.ts";
import { serveReception } from "../ingestion/reception-thread.ts";
import type { Cut } from "../views/cut.ts";
import { Decoder } from "../views/decoder.ts";
import { TidemarkError } from "../views/errors.ts";
import type { Subject, SubjectFacts } from "../views/subject.ts";
import { dataFolder } from "./data-folder.ts";
import { loadApp } from "./load-app.ts";
import { inClear } from "./subject-keys.ts";

if (parentPort === null) {
  throw new TidemarkError("TIDEMARK_CONFIG", "this program is started by `tidemark up`, not by hand");
}
const port = parentPort;
const { appPath, data } = workerData as { readonly appPath: string; readonly data: string };
const app = await loadApp(appPath);
const folder = dataFolder(data);
const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
const lifecycle = new Lifecycle();

const stored = lifecycle.use(
  await LmdbLog.open({
    path: folder.log,
    topics,
    mode: "writer",
    onCommit: () => void peer.call("committed", null),
  }),
);
const { log, retire, destroyKeys } = await inClear(
  { stored, mode: "writer", app, folder, environment: process.env },
  lifecycle,
);
const deadLetters = lifecycle.use(await LmdbDeadLetters.open({ path: folder.deadLetters }));
const reception = new LocalReception({
  ...{ log, deadLetters, clock: Date.now, newId: randomUUID },
  decoder: new Decoder(app.events),
  partitions: new KeyPartitions(app.events),
  eventBytes: defaultLimits.eventBytes,
});
const peer: Peer = serveReception(channelToThread(port), reception, {
  trim: (cut) => trimUpTo(log, cut as Cut),
  retire: (subject) => retire(subject as Subject),
  "destroy-keys": (subjects) => destroyKeys(subjects as readonly SubjectFacts[]),
  stop: async () => {
    await lifecycle[Symbol.asyncDispose]();
    // What is answered now is the last thing said.
    setImmediate(() => port.close());
  },
});
lowerThreadPriority(givesWay.intake);
await peer.call("ready", null);
