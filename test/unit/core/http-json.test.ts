import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Dispatcher } from "undici";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type JsonRequest,
  NoHttpReplyError,
  openConnections,
  ReplyTooLongError,
  requestJson,
} from "../../../lib/core/http-json.ts";

const test = suite<{ server: Server; url: URL; connections: Dispatcher }>("http json");
test.before.each(async (context) => {
  context.server = createServer();
  await once(context.server.listen(0, "127.0.0.1"), "listening");
  context.url = new URL(`http://127.0.0.1:${(context.server.address() as AddressInfo).port}/path`);
  context.connections = openConnections({});
});
test.after.each(async ({ server, connections }) => {
  await connections.destroy();
  server.close();
  server.closeAllConnections();
});

type Target = Pick<JsonRequest, "url" | "connections">;
const get = (target: Target, options: Partial<JsonRequest> = {}) =>
  requestJson({ method: "GET", maxBytes: 100, signal: new AbortController().signal, ...target, ...options });

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  assert.ok(outcome, "the request did not fail");
  return outcome?.error;
}

test("requestJson() sends a body as JSON, and resolves with status, all header values and the parsed body", async ({
  server,
  url,
  connections,
}) => {
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    request.setEncoding("utf8").on("data", (chunk: string) => {
      const { "content-type": type, accept, "x-own": own } = request.headers;
      response.writeHead(201, { link: ["<a>", "<b>"], "X-Type": `${type} ${accept} ${own}` }).end(chunk);
    });
  });
  const reply = await get({ url, connections }, { method: "POST", body: { a: 1 }, headers: { "x-own": "1" } });
  assert.equal([reply.status, reply.body, reply.text], [201, { a: 1 }, '{"a":1}']);
  assert.equal(reply.headers.get("link"), ["<a>", "<b>"]);
  assert.equal(reply.headers.get("x-type"), ["application/json application/json 1"]);
});

test("requestJson() resolves with a redirect or an error, and leaves a body undefined that is not JSON", async ({
  server,
  url,
  connections,
}) => {
  for (const status of [302, 404, 503]) {
    server.removeAllListeners("request").on("request", (_, response: ServerResponse) => {
      response.writeHead(status, { location: "/elsewhere" }).end("<html>");
    });
    const { status: received, body, text } = await get({ url, connections });
    assert.equal([received, body, text], [status, undefined, "<html>"]);
  }
});

test("requestJson() accepts a body of maxBytes, and throws ReplyTooLongError for one byte more", async ({
  server,
  url,
  connections,
}) => {
  let length = 100;
  server.on("request", (_, response: ServerResponse) => response.end("1".repeat(length)));
  assert.is((await get({ url, connections })).text.length, 100);
  length = 101;
  const error = await failureOf(get({ url, connections }));
  assert.instance(error, ReplyTooLongError);
  assert.is((error as Error).message, "longer than 100 bytes");
});

test("after a timeout or a disconnect the request may have been sent", async ({ server, url, connections }) => {
  const late = await failureOf(get({ url, connections }, { limitMs: 50 }));
  assert.instance(late, NoHttpReplyError);
  assert.equal(
    [(late as NoHttpReplyError).message, (late as NoHttpReplyError).maybeSent],
    ["none within 0.05 s", true],
  );
  server.on("request", ({ socket }: IncomingMessage) => socket.destroy());
  const lost = await failureOf(get({ url, connections }));
  assert.instance(lost, NoHttpReplyError);
  assert.is((lost as NoHttpReplyError).maybeSent, true);
});

test("after a refused connection the request was not sent", async ({ connections }) => {
  // Port 1 of the loopback: nothing listens on it.
  const error = await failureOf(get({ url: new URL("http://127.0.0.1:1/"), connections }));
  assert.instance(error, NoHttpReplyError);
  assert.is((error as NoHttpReplyError).maybeSent, false);
  assert.match((error as NoHttpReplyError).message, "ECONNREFUSED");
});

test("requestJson() throws the reason of its signal", async ({ server, url, connections }) => {
  const stop = new AbortController();
  const reason = new Error("the queue stops");
  const received = once(server, "request");
  const failure = failureOf(get({ url, connections }, { signal: stop.signal }));
  await received;
  stop.abort(reason);
  assert.is(await failure, reason);
});

test.run();
