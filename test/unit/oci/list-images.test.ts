/** What no real registry does on demand: break the protocol, stall, lead astray. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { type ImageListing, listImages } from "../../../lib/oci/list-images.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
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

test("listImages() names what is wrong with a catalog", async ({ server, host }) => {
  const wrong: [Answer, RegExp][] = [
    [(_, response) => response.end("<html>"), /no list of names/],
    [(_, response) => response.end(catalog("../../admin")), /no list of names/],
    [(_, response) => response.end(catalog("\u001b[2J")), /no list of names/],
    [(_, response) => response.end(catalog("a".repeat(5_000_000))), /longer than 4194304 bytes/],
    [(_, response) => response.writeHead(302, { location: "/elsewhere" }).end(), /answers 302/],
    [(_, response) => response.writeHead(503).end(), /answers 503/],
    [(_, response) => response.writeHead(403).end(), /refuses/],
    [(_, response) => response.destroy(), /no answer from/],
    [(_, response) => response.setHeader("link", "<//evil.example/>; rel=next").end(catalog()), /next page is at/],
  ];
  for (const [answer, message] of wrong) {
    server.removeAllListeners("request").on("request", answer);
    const error = await failureOf(host);
    assert.match(error.message, message);
    assert.match(error.message, `registry ${host}: `);
  }
});

test("listImages() sends the login when it is asked for, and not before", async ({ server, host }) => {
  const sent: (string | undefined)[] = [];
  server.on("request", ({ headers }: IncomingMessage, response: ServerResponse) => {
    sent.push(headers.authorization);
    if (headers.authorization === undefined) response.writeHead(401, { "www-authenticate": "Basic realm=x" }).end();
    else response.end(catalog());
  });
  assert.equal(await list(host), { images: [], truncated: false, refused: 0 });
  assert.equal(sent, [undefined, `Basic ${Buffer.from("site:secret").toString("base64")}`]);
});

test("listImages() ends where pages lead in a circle, and says that there is more", async ({ server, host }) => {
  let pages = 0;
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    if (!isCatalog(request)) return response.end('{"tags":["b","a","b"]}');
    pages++;
    return response.setHeader("link", "</v2/_catalog?again>; rel=next").end(catalog("a"));
  });
  assert.equal(await list(host), { images: [{ repository: "a", tags: ["a", "b"] }], truncated: true, refused: 0 });
  assert.is(pages, 100);
});

test("listImages() leaves out and counts the repositories that are refused, and fails when all are", async ({
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

test("listImages() lists 1000 repositories whole, and cuts at 1001", async ({ server, host }) => {
  let many = 1000;
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    response.end(isCatalog(request) ? catalog(...Array.from({ length: many }, (_, n) => `r${n}`)) : '{"tags":["1"]}');
  });
  const whole = await list(host);
  assert.equal([whole.images.length, whole.truncated], [1000, false]);
  many = 1001;
  const cut = await list(host);
  assert.equal([cut.images.length, cut.truncated], [1000, true]);
});

test("listImages() gives what came before its time was over, and says that there is more", async ({ server, host }) => {
  const limit = new AbortController();
  const first = new Promise<void>((resolve) => {
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      if (isCatalog(request)) response.end(catalog("a", "b", ...Array.from({ length: 20 }, (_, n) => `slow${n}`)));
      else if (!request.url?.includes("slow")) response.end('{"tags":["1"]}');
      // With six at a time, this one is asked only after two answers have come.
      else if (request.url.includes("slow13")) resolve();
    });
  });
  const listing = list(host, limit.signal);
  await first;
  limit.abort(new Error("late"));
  const { images, truncated } = await listing;
  assert.equal(
    images.map(({ repository }) => repository),
    ["a", "b"],
  );
  assert.is(truncated, true);
});

test.run();
