/**
 * A client that cannot use the reply to its reservation cancels it. Otherwise the build would wait, with its bucket, for a context
 * that never comes. The queue here is one of another version, which container-builder does not understand.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CommandResult, runCommand } from "../../../infra/tools/setup/run-command.ts";
import { RpcServer } from "../../../lib/nats/rpc/server.ts";
import {
  type CancelRequest,
  INLINE_CONTEXT_MAX_BYTES,
  type ReserveReply,
  type ReserveRequest,
} from "../../../lib/protocol/build-messages.ts";
import { cancel, reserve } from "../../../lib/protocol/requests.ts";
import { startTestNats, type TestNats } from "../../support/nats/nats.ts";
import { Recorder } from "../../support/recorder.ts";
import { PROJECT } from "../../support/stack.ts";

interface World {
  folder: string;
  nats: TestNats;
  /** The reply to each reservation. */
  reply: (request: ReserveRequest) => ReserveReply;
  reserved: Recorder<ReserveRequest>;
  cancelled: Recorder<CancelRequest>;
}

const test = suite<World>("abandoned reservation");
const BUILD = "6b1f3a52-0d64-4c5e-9d57-2a1c3e4f5a6b";

test.before(async (world) => {
  world.folder = mkdtempSync(join(tmpdir(), "cb-abandoned-"));
  world.nats = await startTestNats();
  // Larger than a context that is sent inside the request.
  writeFileSync(join(world.folder, "data"), randomBytes(2 * INLINE_CONTEXT_MAX_BYTES));
  writeFileSync(join(world.folder, "r.def"), "Bootstrap: scratch\n%files\n    data /data\n");
  writeFileSync(join(world.folder, "ada.creds"), world.nats.issuer.userCreds("ada").creds, { mode: 0o600 });
  const nc = await world.nats.core();
  const queue = new RpcServer({ nc, onRefused: () => undefined });
  queue.serve(reserve, async (_, request) => {
    world.reserved.add(request);
    return world.reply(request);
  });
  queue.serve(cancel, async (_, request) => {
    world.cancelled.add(request);
    return { v: 1, state: "cancelled" };
  });
  await nc.flush();
});
test.before.each((world) => {
  world.reserved = new Recorder();
  world.cancelled = new Recorder();
});
test.after(async ({ folder, nats }) => {
  await nats.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The exit code and the output of container-builder with a context that it would have to upload. */
function build({ folder, nats }: World): Promise<CommandResult> {
  const settings = {
    HOME: folder,
    XDG_CONFIG_HOME: folder,
    XDG_STATE_HOME: folder,
    NATS_URL: nats.url,
    NATS_CREDS: join(folder, "ada.creds"),
    NATS_CA: nats.installation.files.caFile,
    NATS_SERVERNAME: nats.installation.serverName,
  };
  const program = join(PROJECT, "dist", "bin", "container-builder");
  const variables = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return runCommand(["env", ...variables, program, join(folder, "x.sif"), join(folder, "r.def")], { cwd: folder });
}

test("after a reply that cannot be read, the client cancels its request", async (world) => {
  world.reply = () => ({ v: 2 }) as unknown as ReserveReply;
  const { code, output } = await build(world);
  assert.is(code, 75, output);
  await world.cancelled.any(() => true);
  assert.equal(world.cancelled.all[0]?.target, { kind: "request", id: world.reserved.all[0]?.request });
});

test("after a refusal of its connection to the build, the client cancels its request, because others may share the build", async (world) => {
  world.reply = () => ({ v: 1, build: BUILD, jwt: "e30.e30.e30" });
  const { code, output } = await build(world);
  assert.is(code, 77, output);
  await world.cancelled.any(() => true);
  assert.equal(world.cancelled.all[0]?.target, { kind: "request", id: world.reserved.all[0]?.request });
});

test.run();
