// Where a worker thread begins: it shares no module loader with the one that started it, and an app's declaration is TypeScript.
import { workerData } from "node:worker_threads";
import { register } from "tsx/esm/api";

register();
await import(workerData.module);
