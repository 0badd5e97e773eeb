/** What `broker-connection.ts` uses of kafkajs's insides; the version is pinned. See docs/adr/0013. */
declare module "kafkajs/src/broker/index.js" {
  import type ConnectionPool from "kafkajs/src/network/connectionPool.js";

  export interface Connection {
    isConnected(): boolean;
    send<T>(call: {
      readonly request: {
        readonly apiKey: number;
        readonly apiVersion: number;
        readonly apiName: string;
        encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
      };
      readonly response: {
        decode(bytes: Buffer): Promise<T>;
        parse(decoded: T): Promise<T>;
      };
      readonly requestTimeout?: number;
      readonly logResponseError: boolean;
    }): Promise<T>;
    rejectRequests(reason: Error): void;
  }

  export default class Broker {
    constructor(options: {
      readonly connectionPool: ConnectionPool;
      readonly logger: Logger;
      readonly authenticationTimeout?: number;
    });
    /** Null until the broker has answered once. */
    readonly versions: Readonly<
      Record<number, { readonly minVersion: number; readonly maxVersion: number }>
    > | null;
    connect(): Promise<void>;
    isConnected(): boolean;
    disconnect(): Promise<void>;
  }

  export interface Logger {
    namespace(name: string): Logger;
    debug(message: string): void;
    info(message: string): void;
    warn(message: string): void;
    error(message: string): void;
  }
}

declare module "kafkajs/src/network/connectionPool.js" {
  import type { Connection, Logger } from "kafkajs/src/broker/index.js";

  export default class ConnectionPool {
    constructor(options: {
      readonly host: string;
      readonly port: number;
      readonly logger: Logger;
      readonly socketFactory: unknown;
      readonly ssl: unknown;
      readonly sasl: unknown;
      readonly clientId: string;
      readonly connectionTimeout: number;
      readonly requestTimeout: number;
    });
    readonly pool: readonly Connection[];
    getConnection(index: number): Promise<Connection>;
  }
}

declare module "kafkajs/src/network/socketFactory.js" {
  export default function socketFactory(): unknown;
}

declare module "kafkajs/src/protocol/error.js" {
  export const errorCodes: readonly {
    readonly code: number;
    readonly type: string;
    readonly retriable: boolean;
    readonly message: string;
  }[];
}
