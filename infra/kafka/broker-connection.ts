import Broker, { type Logger } from "kafkajs/src/broker/index.js";
import ConnectionPool from "kafkajs/src/network/connectionPool.js";
import socketFactory from "kafkajs/src/network/socketFactory.js";
import { TidemarkError } from "../../views/errors.ts";
import { ConnectionClosed } from "./kafka-error.ts";
import type { KafkaSettings } from "./settings.ts";

/** A request of Kafka's protocol. */
export interface KafkaRequest<T extends object> {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  readonly payload: Buffer;
  decode(response: Buffer): T;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What goes wrong is thrown, with its reason; kafkajs's own log says it again, and more often than once. */
const silent: Logger = {
  namespace: () => silent,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/**
 * One connection to one broker, by kafkajs: TLS, SASL and its renewal, requests matched with answers. A broker answers the
 * requests of a connection one after the other: what may wait long has a connection of its own.
 */
export class BrokerConnection {
  readonly address: Address;
  readonly #broker: Broker;
  readonly #pool: ConnectionPool;

  constructor(address: Address, settings: KafkaSettings) {
    this.address = address;
    this.#pool = new ConnectionPool({
      ...address,
      logger: silent,
      socketFactory: socketFactory(),
      ssl: settings.tls,
      sasl: settings.sasl,
      clientId: settings.clientId,
      connectionTimeout: 3_000,
      requestTimeout: settings.requestTimeoutMs,
    });
    this.#broker = new Broker({ connectionPool: this.#pool, logger: silent });
  }

  /** Connects first, where there is no connection. Rejects with an error that `isPassing` knows. */
  async send<T extends object>(request: KafkaRequest<T>): Promise<T> {
    // It counts as connected before it has answered which versions it knows.
    if (this.#broker.versions === null || !this.#broker.isConnected()) await this.#broker.connect();
    const { versions } = this.#broker;
    if (versions === null) throw new ConnectionClosed("the connection was closed before it was made");
    const { apiKey, apiVersion, apiName, payload } = request;
    const highest = versions[apiKey]?.maxVersion ?? -1;
    if (highest < apiVersion) {
      throw new TidemarkError(
        "TIDEMARK_CONFIG",
        `the broker at ${this.address.host}:${this.address.port} knows ${apiName} up to version ${highest}, but ${apiVersion} is needed: Kafka 2.3 or later`,
      );
    }
    const connection = await this.#pool.getConnection(0);
    return connection.send<T>({
      request: { apiKey, apiVersion, apiName, encode: async () => ({ buf: payload, buffer: payload }) },
      response: { decode: async (bytes) => request.decode(bytes), parse: async (decoded) => decoded },
      logResponseError: false,
    });
  }

  /** At once: requests under way are rejected. */
  async close(): Promise<void> {
    // kafkajs waits for the answers otherwise, also for those of a broker that is gone.
    for (const connection of this.#pool.pool)
      connection.rejectRequests(new ConnectionClosed("the connection was closed"));
    await this.#broker.disconnect();
  }
}
