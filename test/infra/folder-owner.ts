import { lockFolder } from "../../infra/folder-lock.ts";

await lockFolder(process.argv[2] ?? "");
process.send?.("owned");
setInterval(() => undefined, 1_000);
