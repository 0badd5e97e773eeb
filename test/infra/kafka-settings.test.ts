import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { kafkaSettings } from "../../infra/kafka/settings.ts";

const brokers = { KAFKA_BROKERS: "one:9092, two:9093" };
const secret = "s3cret!";
const sasl = { KAFKA_SASL_MECHANISM: "scram-sha-512", KAFKA_USERNAME: "tide", KAFKA_PASSWORD: secret };

test("brokers, TLS and SASL come from the environment", async () => {
  expect(kafkaSettings(brokers)).toMatchObject({
    brokers: ["one:9092", "two:9093"],
    clientId: "tidemark",
    tls: undefined,
    sasl: undefined,
  });
  const folder = await mkdtemp(join(tmpdir(), "tidemark-pem-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const ca = join(folder, "ca.pem");
  await writeFile(ca, "a certificate");
  const settings = kafkaSettings({
    ...brokers,
    ...sasl,
    KAFKA_CLIENT_ID: "mine",
    KAFKA_TLS: "true",
    KAFKA_TLS_CA: ca,
  });
  expect(settings.clientId).toBe("mine");
  expect(String(settings.tls?.ca)).toBe("a certificate");
  expect(settings.sasl).toEqual({ mechanism: "scram-sha-512", username: "tide", password: secret });
});

test.each([
  ["KAFKA_BROKERS", {}],
  ["KAFKA_BROKERS", { KAFKA_BROKERS: "one" }],
  ["KAFKA_BROKERS", { KAFKA_BROKERS: "one:9092," }],
  ["KAFKA_BROKERS", { KAFKA_BROKERS: "http://one:9092" }],
  ["KAFKA_TLS", { ...brokers, KAFKA_TLS: "yes" }],
  ["KAFKA_TLS_CA", { ...brokers, KAFKA_TLS_CA: "/nowhere/ca.pem" }],
  ["KAFKA_TLS_CA", { ...brokers, KAFKA_TLS: "true", KAFKA_TLS_CA: "/nowhere/ca.pem" }],
  ["KAFKA_TLS_KEY", { ...brokers, KAFKA_TLS: "true", KAFKA_TLS_CERT: "/nowhere/cert.pem" }],
  ["KAFKA_SASL_MECHANISM", { ...brokers, ...sasl, KAFKA_SASL_MECHANISM: "gssapi" }],
  ["KAFKA_SASL_MECHANISM", { ...brokers, KAFKA_PASSWORD: secret }],
  ["KAFKA_USERNAME", { ...brokers, ...sasl, KAFKA_USERNAME: "" }],
  ["KAFKA_PASSWORD", { ...brokers, ...sasl, KAFKA_PASSWORD: "" }],
])("an error names %s, and no secret", (variable, environment) => {
  let message = "";
  try {
    kafkaSettings(environment);
  } catch (error) {
    expect(error).toMatchObject({ code: "TIDEMARK_CONFIG" });
    message = (error as Error).message;
  }
  expect(message).toContain(variable);
  expect(message).not.toContain(secret);
});
