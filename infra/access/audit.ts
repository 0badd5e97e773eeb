import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { permissionFor } from "./rights.ts";

/**
 * Notes every request to change something (of the routes that are added after this): when, who, what, from where, and how it
 * ended, refused ones too. Never what was sent along, which may be secret.
 */
export function auditOperations(server: FastifyInstance, audit: Logger): void {
  server.addHook("onRoute", (route) => {
    const methods = [route.method].flat();
    if (methods.every((method) => permissionFor(method, route.config?.permission) !== "operate")) return;
    route.onSend = [
      (request, reply, _payload, done) => {
        const { access, method, ip: from, id, failure = null, routeOptions } = request;
        const url = routeOptions.config?.namesPerson === true ? (routeOptions.url ?? "") : request.url;
        const location = reply.getHeader("location");
        audit.info({
          ...{ who: access?.name ?? null, what: `${method} ${url.split("?", 1)[0]}`, from, request: id },
          ...{ status: reply.statusCode, failure, ...(location === undefined ? {} : { made: location }) },
        });
        done();
      },
      ...[route.onSend ?? []].flat(),
    ];
  });
}
