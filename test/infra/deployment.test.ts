import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { roleNames as roles } from "../../cli/cluster/role-names.ts";
import { kafkaVersion } from "../../infra/kafka/services/kafka-program.ts";

// Read as text, line by line: a parser of YAML is no dependency of ours.

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");
const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = ""]) => found);

const compose = read("infra/compose.yaml");
const dockerfile = read("Dockerfile");
const manifests = readdirSync(join(root, "infra/k8s")).map((name) => read(`infra/k8s/${name}`));
const images = [
  ...all(dockerfile, /^FROM (\S+)/gm),
  ...[compose, ...manifests].flatMap((text) =>
    all(text, /^ +image: (?:\$\{TIDEMARK_IMAGE:-)?([^\s}]+)\}?$/gm),
  ),
];

test("images have exact versions, and Kafka's is the one that is tested", () => {
  expect(images.length).toBeGreaterThan(10);
  for (const image of images) expect(image).toMatch(/^[\w/]+:v?\d+\.\d+\.\d+(-[\w-]+)?$/);
  expect(images).toContain(`apache/kafka:${kafkaVersion}`);
});

test("each role is a container of its own, started by its own command, in Compose and in Kubernetes", () => {
  for (const role of roles) {
    expect(
      all(compose, new RegExp(`^  ${role}:\\n.*\\n    command: \\["up", "--role", "(\\w+)"`, "gm")),
    ).toEqual([role]);
    const manifest = read(`infra/k8s/${role}.yaml`);
    expect(manifest).toContain(`args: [up, --role, ${role},`);
    expect(manifest).toMatch(/containerPort: 4100\n/);
    expect(all(manifest, /path: (\S+)/g)).toEqual(["/healthz", "/readyz", "/healthz"]);
  }
  expect(all(read("infra/monitoring/prometheus.yaml"), /names: \[(.+)\]/g)).toEqual([roles.join(", ")]);
});

test("what listens is published on loopback only, at the port that the roles listen on", () => {
  const published = all(compose, /^ +- (\S+:\d+:\d+)$/gm);
  expect(published).toContain("127.0.0.1:4100:4100");
  for (const address of published) expect(address).toMatch(/^127\.0\.0\.1:/);
  const ports = [compose, ...manifests].flatMap((text) => all(text, /--port"?, "(\d+)"/g));
  expect(ports).toHaveLength(2 * roles.length);
  expect(new Set(ports)).toEqual(new Set(["4100"]));
});

test("Compose mounts, and the image copies, what is there", () => {
  for (const path of all(compose, /^ +- (\.\/[^:]+):/gm))
    expect(existsSync(join(root, "infra", path)), path).toBe(true);
  const copied = all(dockerfile, /^COPY (?!--from)(.+) \S+$/gm).flatMap((paths) => paths.split(" "));
  for (const path of copied) expect(existsSync(join(root, path)), path).toBe(true);
  for (const folder of JSON.parse(read("tsconfig.build.json")).include) expect(copied).toContain(folder);
});

test("names that the pods are configured by are names that are read", () => {
  const reads = read("infra/kafka/settings.ts");
  const names = all(read("infra/k8s/config.yaml"), /^ +(?:# )?(KAFKA_\w+): /gm);
  expect(names).toContain("KAFKA_BROKERS");
  for (const name of names) expect(reads).toContain(name);
  for (const text of manifests) {
    for (const claim of all(text, /claimName: (\S+)/g))
      expect(read("infra/k8s/storage.yaml")).toContain(`name: ${claim}\n`);
  }
});

test("the dashboard asks the data source that is provisioned", () => {
  const [uid] = all(read("infra/monitoring/grafana/datasource.yaml"), /uid: (\S+)/g);
  const dashboard = JSON.parse(read("infra/monitoring/grafana/tidemark.json"));
  expect(dashboard.panels.length).toBeGreaterThan(0);
  for (const { datasource, targets } of dashboard.panels) {
    expect(datasource.uid).toBe(uid);
    for (const target of targets) expect(target.datasource.uid).toBe(uid);
  }
});
