#!/usr/bin/env node
// An app's declaration is TypeScript, and in a checkout so are we: main.ts lies beside this file, in a build main.js.
import { existsSync } from "node:fs";
import { register } from "tsx/esm/api";

register();
const source = new URL("./main.ts", import.meta.url);
await import(existsSync(source) ? source.href : new URL("./main.js", import.meta.url).href);
