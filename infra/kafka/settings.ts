import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import type { SASLOptions } from "kafkajs";
import { TidemarkError } from "../../views/errors.ts";

/** Where Kafka is, and who we are there. Holds secrets: it is never logged. */
export interface KafkaSettings {
  /** `host:port`, any of the cluster's. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly tls: ConnectionOptions | undefined;
  readonly sasl: SASLOptions | undefined;
  /** A broker that is silent for longer is given up, and asked again by a new connection. */
  readonly requestTimeoutMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const mechanisms = ["plain", "scram-sha-256", "scram-sha-512"] as const;

/**
 * Reads KAFKA_BROKERS, KAFKA_CLIENT_ID, KAFKA_TLS (with KAFKA_TLS_CA, KAFKA_TLS_CERT and KAFKA_TLS_KEY, files of PEM),
 * KAFKA_SASL_MECHANISM, KAFKA_USERNAME and KAFKA_PASSWORD. Throws TIDEMARK_CONFIG, naming the variable.
 */
export function kafkaSettings(environment: Environment): KafkaSettings {
  return {
    brokers: brokersOf(environment),
    clientId: environment.KAFKA_CLIENT_ID || "tidemark",
    tls: tlsOf(environment),
    sasl: saslOf(environment),
    // The longest that a broker is asked to wait, for its replicas, is 10 s.
    requestTimeoutMs: 15_000,
  };
}

function brokersOf({ KAFKA_BROKERS: text = "" }: Environment): readonly string[] {
  if (text.trim() === "") throw config(`KAFKA_BROKERS is not set: give host:port, e.g. "127.0.0.1:9092"`);
  const brokers = text.split(",").map((broker) => broker.trim());
  for (const broker of brokers) {
    const port = Number(/^[^\s:/@]+:(\d{1,5})$/.exec(broker)?.[1] ?? 0);
    if (port < 1 || port > 65_535) {
      throw config(
        `KAFKA_BROKERS must be host:port, more of them apart by commas, e.g. "127.0.0.1:9092", not "${broker}"`,
      );
    }
  }
  return brokers;
}

function tlsOf(environment: Environment): ConnectionOptions | undefined {
  const {
    KAFKA_TLS: tls = "false",
    KAFKA_TLS_CA: ca,
    KAFKA_TLS_CERT: cert,
    KAFKA_TLS_KEY: key,
  } = environment;
  if (tls !== "true" && tls !== "false") throw config(`KAFKA_TLS must be true or false, not "${tls}"`);
  if (tls === "false") {
    for (const name of ["KAFKA_TLS_CA", "KAFKA_TLS_CERT", "KAFKA_TLS_KEY"]) {
      if (environment[name]) throw config(`${name} is set, but KAFKA_TLS is not "true"`);
    }
    return undefined;
  }
  if (Boolean(cert) !== Boolean(key)) throw config("KAFKA_TLS_CERT and KAFKA_TLS_KEY go together");
  return {
    ...(ca ? { ca: pem("KAFKA_TLS_CA", ca) } : {}),
    ...(cert && key ? { cert: pem("KAFKA_TLS_CERT", cert), key: pem("KAFKA_TLS_KEY", key) } : {}),
  };
}

function saslOf(environment: Environment): SASLOptions | undefined {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_USERNAME: username, KAFKA_PASSWORD: password } = environment;
  if (!mechanism) {
    for (const name of ["KAFKA_USERNAME", "KAFKA_PASSWORD"]) {
      if (environment[name])
        throw config(`${name} is set, but KAFKA_SASL_MECHANISM is not: ${mechanisms.join(", ")}`);
    }
    return undefined;
  }
  const known = mechanisms.find((each) => each === mechanism.toLowerCase());
  if (known === undefined) {
    throw config(`KAFKA_SASL_MECHANISM must be one of ${mechanisms.join(", ")}, not "${mechanism}"`);
  }
  if (!username) throw config(`KAFKA_USERNAME is missing: KAFKA_SASL_MECHANISM is ${known}`);
  if (!password) throw config(`KAFKA_PASSWORD is missing: KAFKA_SASL_MECHANISM is ${known}`);
  return { mechanism: known, username, password } as SASLOptions;
}

function pem(variable: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw config(`${variable} names a file that can't be read: ${path} (${(cause as Error).message})`, {
      cause,
    });
  }
}

function config(message: string, options?: ErrorOptions): TidemarkError {
  return new TidemarkError("TIDEMARK_CONFIG", message, options);
}
