/** listImages() with a registry that violates the protocol, is slow, or links to another host: no real one does that on demand. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { type ImageListing, listImages } from "../../../lib/oci/list-images.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
const test = suite<{ server: Server; host: string }>("list images");

test.before.each(async (context) => {
  context.server = createServer();
  context.server.listen(0, "127.0.0.1");
  await once(context.server, "listening");
  context.host = `127.0.0.1:${(context.server.address() as AddressInfo).port}`;
});
test.after.each(({ server }) => {
  server.close();
  server.closeAllConnections();
});

const login = { username: "site", password: "secret" };
function list(host: string, signal = new AbortController().signal): Promise<ImageListing> {
  return listImages({ host, plainHttp: true, login }, signal);
}

async function failureOf(host: string): Promise<CbError> {
  const error = await list(host).then(String, (thrown: unknown) => thrown);
  assert.instance(error, CbError);
  return error as CbError;
}

const catalog = (...repositories: unknown[]) => JSON.stringify({ repositories });
const isCatalog = ({ url }: IncomingMessage): boolean => url?.startsWith("/v2/_catalog") === true;

test("listImages() names the failure of a catalog", async ({ server, host }) => {
  const failures: [Handler, RegExp][] = [
    [(_, response) => response.end("<html>"), /is not a list of names/],
    [(_, response) => response.end(catalog("../../admin")), /is not a list of names/],
    [(_, response) => response.end(catalog("\u001b[2J")), /is not a list of names/],
    [(_, response) => response.end(catalog("a".repeat(5_000_000))), /longer than 4194304 bytes/],
    [
      (_, response) => response.writeHead(302, { location: "/elsewhere" }).end(),
      /replies to \/v2\/_catalog with status 302/,
    ],
    [(_, response) => response.writeHead(503).end(), /with status 503/],
    [(_, response) => response.writeHead(403).end(), /refuses/],
    [(_, response) => response.destroy(), /no reply from/],
    [(_, response) => response.setHeader("link", "<//evil.example/>; rel=next").end(catalog()), /next page is at/],
  ];
  for (const [handler, message] of failures) {
    server.removeAllListeners("request").on("request", handler);
    const error = await failureOf(host);
    assert.match(error.message, message);
    assert.match(error.message, `registry ${host}: `);
  }
});

test("listImages() sends the login only after a challenge", async ({ server, host }) => {
  const sent: (string | undefined)[] = [];
  server.on("request", ({ headers }: IncomingMessage, response: ServerResponse) => {
    sent.push(headers.authorization);
    if (headers.authorization === undefined) response.writeHead(401, { "www-authenticate": "Basic realm=x" }).end();
    else response.end(catalog());
  });
  assert.equal(await list(host), { images: [], truncated: false, refused: 0 });
  assert.equal(sent, [undefined, `Basic ${Buffer.from("site:secret").toString("base64")}`]);
});

test("listImages() stops after 100 pages of a circle, and reports truncation", async ({ server, host }) => {
  let pages = 0;
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    if (!isCatalog(request)) return response.end('{"tags":["b","a","b"]}');
    pages++;
    return response.setHeader("link", "</v2/_catalog?again>; rel=next").end(catalog("a"));
  });
  assert.equal(await list(host), { images: [{ repository: "a", tags: ["a", "b"] }], truncated: true, refused: 0 });
  assert.is(pages, 100);
});

test("listImages() omits and counts refused repositories, and throws when all are refused", async ({
  server,
  host,
}) => {
  let refused = ["a", "c"];
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    if (isCatalog(request)) return response.end(catalog("a", "b", "c"));
    const [, name = ""] = /^\/v2\/(\w+)\/tags/.exec(request.url ?? "") ?? [];
    return refused.includes(name) ? response.writeHead(403).end() : response.end('{"tags":["1"]}');
  });
  const b = { repository: "b", tags: ["1"] };
  assert.equal(await list(host), { images: [b], truncated: false, refused: 2 });
  refused = ["a", "b", "c"];
  assert.match((await failureOf(host)).message, /it refuses \/v2\/\w\/tags\/list \(403\)/);
});

test("listImages() lists 1000 repositories completely, and truncates 1001", async ({ server, host }) => {
  let count = 1000;
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    response.end(isCatalog(request) ? catalog(...Array.from({ length: count }, (_, n) => `r${n}`)) : '{"tags":["1"]}');
  });
  const complete = await list(host);
  assert.equal([complete.images.length, complete.truncated], [1000, false]);
  count = 1001;
  const truncated = await list(host);
  assert.equal([truncated.images.length, truncated.truncated], [1000, true]);
});

test("listImages() resolves with the tags received before its signal was aborted, and reports truncation", async ({
  server,
  host,
}) => {
  const limit = new AbortController();
  const twoReplies = new Promise<void>((resolve) => {
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      if (isCatalog(request)) response.end(catalog("a", "b", ...Array.from({ length: 20 }, (_, n) => `slow${n}`)));
      else if (!request.url?.includes("slow")) response.end('{"tags":["1"]}');
      // With six concurrent requests, this one is sent only after two replies were received.
      else if (request.url.includes("slow13")) resolve();
    });
  });
  const listing = list(host, limit.signal);
  await twoReplies;
  limit.abort(new Error("late"));
  const { images, truncated } = await listing;
  assert.equal(
    images.map(({ repository }) => repository),
    ["a", "b"],
  );
  assert.is(truncated, true);
});

test.run();
