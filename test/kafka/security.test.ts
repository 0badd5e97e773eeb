import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { KafkaNode } from "../../infra/kafka/services/kafka-node.ts";
import { type KafkaProgram, obtainKafka } from "../../infra/kafka/services/kafka-program.ts";
import { freePorts } from "../../infra/kafka/services/ports.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";
import { offset } from "../../views/cut.ts";

const run = promisify(execFile);
const password = "p4ssw0rd-of-tide";

let folder: string;
let node: KafkaNode;
let program: KafkaProgram;
let plainAddress: string;
let secureAddress: string;

/** A broker that takes anyone at one port, and at another only who comes by TLS with a name and a password. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-secure-"));
  program = await obtainKafka();
  const [port = 0, controllerPort = 0, securePort = 0] = await freePorts(3);
  plainAddress = `127.0.0.1:${port}`;
  secureAddress = `localhost:${securePort}`;
  const keystore = join(folder, "keys.p12");
  const keys = ["-alias", "broker", "-keystore", keystore, "-storepass", password, "-storetype", "PKCS12"];
  const keytool = join(dirname(program.java), "keytool");
  await run(keytool, [
    ...["-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", "30", ...keys],
    ...["-dname", "CN=localhost", "-ext", "SAN=dns:localhost,ip:127.0.0.1"],
  ]);
  await run(keytool, ["-exportcert", "-rfc", "-file", join(folder, "ca.pem"), ...keys]);
  const login = "org.apache.kafka.common.security";
  const secure = "listener.name.secure";
  const settings = { id: 1, port, controllerPort, folder: join(folder, "broker") };
  node = await KafkaNode.create(program, settings, [settings], {
    listeners: `PLAINTEXT://${plainAddress},CONTROLLER://127.0.0.1:${controllerPort},SECURE://127.0.0.1:${securePort}`,
    "advertised.listeners": `PLAINTEXT://${plainAddress},SECURE://${secureAddress}`,
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    [`${secure}.plain.sasl.jaas.config`]: `${login}.plain.PlainLoginModule required user_tide="${password}";`,
    [`${secure}.scram-sha-256.sasl.jaas.config`]: `${login}.scram.ScramLoginModule required;`,
    [`${secure}.scram-sha-512.sasl.jaas.config`]: `${login}.scram.ScramLoginModule required;`,
    [`${secure}.ssl.keystore.location`]: keystore,
    [`${secure}.ssl.keystore.password`]: password,
    [`${secure}.ssl.keystore.type`]: "PKCS12",
  });
  await node.start();
  for (const mechanism of ["SCRAM-SHA-256", "SCRAM-SHA-512"]) {
    await run(program.java, [
      ...[
        "-cp",
        program.classPath,
        "kafka.admin.ConfigCommand",
        "--bootstrap-server",
        plainAddress,
        "--alter",
      ],
      ...[
        "--add-config",
        `${mechanism}=[password=${password}]`,
        "--entity-type",
        "users",
        "--entity-name",
        "tide",
      ],
    ]);
  }
  const admin = new TopicAdmin(kafkaSettings({ KAFKA_BROKERS: plainAddress }));
  await admin.create([{ name: "secure", partitions: 1, replication: 1, config: {} }]);
  await admin[Symbol.asyncDispose]();
}, 120_000);

afterAll(async () => {
  await node.kill();
  await rm(folder, { recursive: true });
});

function settings(mechanism: string, other: Readonly<Record<string, string>> = {}) {
  return kafkaSettings({
    KAFKA_BROKERS: secureAddress,
    KAFKA_TLS: "true",
    KAFKA_TLS_CA: join(folder, "ca.pem"),
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_USERNAME: "tide",
    KAFKA_PASSWORD: password,
    ...other,
  });
}

const topics = [{ name: "secure", partitions: 1 }];

test.each(["plain", "scram-sha-256", "scram-sha-512"])(
  "by TLS with %s a log appends, reads and follows, each on its own connections",
  async (mechanism) => {
    const log = await KafkaLog.open({ settings: settings(mechanism), topics });
    const position = await log.append([
      { topic: "secure", partition: 0, key: null, value: Buffer.from(mechanism) },
    ]);
    const next = position.get("secure")?.get(0) ?? offset(0);
    const texts: string[] = [];
    for await (const { records } of log.read("secure", 0, offset(next - 1), next))
      texts.push(...records.map(({ value }) => Buffer.from(value).toString()));
    const followed = new Promise<string>((resolve) => {
      const at = offset(next - 1);
      log.consume({
        topic: "secure",
        position: () => at,
        handle: ({ records }) => resolve(Buffer.from(records[0]?.value ?? []).toString()),
      });
    });
    expect([...texts, await followed]).toEqual([mechanism, mechanism]);
    await log[Symbol.asyncDispose]();
  },
);

test("a wrong password is named as what it is, and not shown", async () => {
  const wrong = settings("scram-sha-512", { KAFKA_PASSWORD: "not-the-one" });
  const failure = await KafkaLog.open({ settings: wrong, topics }).catch((error: unknown) => error);
  expect(failure).toMatchObject({
    code: "TIDEMARK_CONFIG",
    message: expect.stringContaining("check KAFKA_SASL_MECHANISM, KAFKA_USERNAME and KAFKA_PASSWORD"),
  });
  expect(`${(failure as Error).message} ${(failure as Error).stack}`).not.toContain("not-the-one");
});

test("a certificate that nobody vouches for is refused", async () => {
  const trusting = { ...settings("plain"), tls: {} };
  await expect(KafkaLog.open({ settings: trusting, topics })).rejects.toMatchObject({
    code: "TIDEMARK_KAFKA_UNREACHABLE",
    message: expect.stringMatching(/by TLS and plain: localhost:\d+ \(.*self.signed certificate/i),
  });
});
