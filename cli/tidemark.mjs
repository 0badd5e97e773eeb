#!/usr/bin/env node
// In a checkout main.ts lies beside this file and tsx runs it; in a build there is only main.js.
import { existsSync } from "node:fs";

const source = new URL("./main.ts", import.meta.url);
if (existsSync(source)) {
  const { register } = await import("tsx/esm/api");
  register();
  await import(source.href);
} else {
  await import(new URL("./main.js", import.meta.url).href);
}
