import { readdirSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Node } from "../../views/expression.ts";
import type { View } from "../../views/view.ts";
import { declare } from "./fuzz/declare.ts";
import { cases } from "./fuzz/generate.ts";
import { windows } from "./fuzz/windows.ts";

const views = fc.sample(cases, { seed: 1, numRuns: 1_000 }).map(declare);

test("cases are made of every aggregate there is", () => {
  const kinds = new Set(views.flatMap(({ measures }) => measures.map(({ aggregate }) => aggregate.kind)));
  const files = readdirSync(new URL("../../views/aggregates", import.meta.url));
  expect([...kinds].sort()).toEqual(files.map((file) => file.replace(".ts", "")).sort());
});

test("cases are made of every operator there is", async () => {
  const folder = new URL("../../views/expressions/", import.meta.url);
  const modules: object[] = await Promise.all(
    readdirSync(folder).map((file) => import(new URL(file, folder).href)),
  );
  const names = modules.flatMap((module) => Object.values(module)).flatMap(operatorName);
  expect([...new Set(views.flatMap(operatorsIn))].sort()).toEqual(names.sort());
});

test("cases are made of every window that is listed, and of none", () => {
  const lengths = new Set(views.map(({ window }) => window?.window.text));
  expect(lengths).toEqual(new Set([undefined, ...Object.keys(windows)]));
});

function operatorName(value: unknown): readonly string[] {
  const isOperator = typeof value === "object" && value !== null && "js" in value && "sql" in value;
  return isOperator ? [(value as unknown as { name: string }).name] : [];
}

function operatorsIn({ where, dimensions, measures }: View): readonly string[] {
  const nodes = [
    where,
    ...dimensions.map(({ node }) => node),
    ...measures.flatMap(({ aggregate }) => [aggregate.input, aggregate.where]),
  ];
  return nodes.flatMap((node) => (node === undefined ? [] : namesIn(node)));
}

function namesIn(node: Node): readonly string[] {
  return node.kind === "call" ? [node.operator.name, ...node.args.flatMap(namesIn)] : [];
}
