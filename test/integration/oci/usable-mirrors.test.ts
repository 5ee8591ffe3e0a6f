/** usableMirrors() with real servers: one that replies, one that refuses the connection, and one that never replies. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { usableMirrors } from "../../../agent/mirrors.ts";
import { DOWN } from "../../support/oci/registries.ts";

const test = suite<{ replying: Server; silent: Server }>("usable mirrors");

const listening = async (server: Server): Promise<Server> => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
};
const hostOf = (server: Server): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;

test.before(async (context) => {
  context.replying = await listening(createServer((_, response) => void response.writeHead(401).end()));
  context.silent = await listening(createServer(() => undefined));
});
test.after(({ replying, silent }) => {
  for (const server of [replying, silent]) server?.close();
});

const mirror = (registry: string, host: string) => ({ registry, host, plainHttp: true });
const registries = ["docker.io", "a.example.org", "b.example.org"];

test("usableMirrors() leaves out a mirror that is down and one that is frozen", async ({ replying, silent }) => {
  const mirrors = [
    mirror("docker.io", hostOf(silent)),
    mirror("a.example.org", DOWN),
    mirror("b.example.org", hostOf(replying)),
  ];
  assert.equal(await usableMirrors(mirrors, { registries, logins: [] }), [mirrors[2]]);
});

test("usableMirrors() leaves out registries with a login, and those that the recipe does not name", async ({
  replying,
}) => {
  const host = hostOf(replying);
  const mirrors = ["index.docker.io", "a.example.org", "c.example.org"].map((registry) => mirror(registry, host));
  const usable = async (...logins: string[]) =>
    (await usableMirrors(mirrors, { registries, logins })).map(({ registry }) => registry);
  assert.equal(await usable(), ["docker.io", "a.example.org"]);
  assert.equal(await usable("docker.io/site"), ["a.example.org"]);
  assert.equal(await usable("a.example.org", "docker.io"), []);
});

test.run();
