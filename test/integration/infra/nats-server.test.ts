import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { natsServerPath } from "../../../infra/tools/setup/nats-server.ts";
import { runCommand } from "../../../infra/tools/setup/run-command.ts";

const test = suite<{ folder: string; mirror: Server; requested: string[] }>("the nats-server of a fresh machine");

test.before.each(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), "cb-nats-server-"));
  context.requested = [];
  context.mirror = createServer(({ url = "" }, response) => {
    context.requested.push(url);
    response.writeHead(404).end();
  }).listen(0, "127.0.0.1");
  await once(context.mirror, "listening");
});
test.after.each(({ folder, mirror }) => {
  mirror.close();
  mirror.closeAllConnections();
  rmSync(folder, { recursive: true });
});

test("a mirror that has neither sid nor trixie leaves the server of the machine's own release, which is fetched once", async ({
  folder,
  mirror,
  requested,
}) => {
  const { port } = mirror.address() as AddressInfo;
  const env = { XDG_CACHE_HOME: folder, PATH: "", CB_MIRROR: `http://127.0.0.1:${port}/debian` };
  const lines: string[] = [];
  const path = await natsServerPath({ env, onStep: (line) => lines.push(line) });
  assert.is(path, join(folder, "container-builder/tools", `nats-server-host-${process.arch}`));
  assert.match((await runCommand([path, "--version"])).output, /^nats-server: v2\./);
  for (const release of ["sid", "trixie"]) {
    assert.ok(
      requested.some((url) => url.includes(`/dists/${release}/`)),
      `${release} was not tried`,
    );
    assert.ok(
      lines.some((line) => line.includes(`Debian ${release} has none for this machine`)),
      lines.join("\n"),
    );
  }
  const before = requested.length;
  assert.is(await natsServerPath({ env }), path);
  assert.is(requested.length, before);
});

test.run();
