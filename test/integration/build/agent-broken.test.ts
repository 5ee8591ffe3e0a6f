/** An agent on a machine that cannot begin its build reports the builder as broken, with the reason, and ends. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CommandResult, runCommand } from "../../../infra/tools/setup/run-command.ts";
import { readCaFile } from "../../../lib/config/ca-file.ts";
import type { UserData } from "../../../lib/config/user-data.ts";
import { RpcServer } from "../../../lib/nats/rpc/server.ts";
import type { AgentReply, AgentRequest, Lease } from "../../../lib/protocol/builder-messages.ts";
import { agentAsk } from "../../../lib/protocol/requests.ts";
import { startTestNats, type TestNats } from "../../support/nats/nats.ts";
import { PROJECT } from "../../support/stack.ts";

interface World {
  nats: TestNats;
  /** The temporary folder of the agent. */
  folder: string;
  /** The queue's reply to each request. */
  reply: (request: AgentRequest) => AgentReply | Promise<AgentReply>;
}

const test = suite<World>("broken agent");
const BUILD = randomUUID();
const BUILDER = randomUUID();
const HOUR_MS = 3_600_000;
const STOP: AgentReply = { v: 1, order: "stop", reason: "the build has ended" };
const SIZE = { columns: 80, rows: 24 };

test.before(async (world) => {
  world.nats = await startTestNats();
  const nc = await world.nats.core();
  new RpcServer({ nc, onRefused: () => undefined }).serve(agentAsk, async (_, request) => world.reply(request));
  await nc.flush();
});
test.before.each((world) => {
  world.folder = mkdtempSync(join(tmpdir(), "cb-agent-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));
test.after(({ nats }) => nats.stop());

function leaseFor(nats: TestNats, publicKey: string, over: Partial<Lease>): AgentReply {
  const jwt = nats.issuer.buildJwt({ build: BUILD, role: "agent", publicKey, expiresAtMs: Date.now() + HOUR_MS });
  const limits = { buildMs: HOUR_MS, logBytes: 2 ** 20, imageBytes: 2 ** 20 };
  const recipe = { backend: "singularity", text: "Bootstrap: scratch\n", buildArgs: {} } as const;
  const lease = { build: BUILD, attempt: 1, jwt, recipe, plainHttpRegistries: [], limits, ...over };
  return { v: 1, order: "lease", lease };
}

/** Runs an agent to its end. `outcomes`: as it reported them. `orders`: the replies to its heartbeats; further ones get none. */
async function runAgent(
  world: World,
  over: Partial<Lease>,
  orders: (() => AgentReply)[] = [],
): Promise<CommandResult & { outcomes: unknown[] }> {
  const { nats, folder } = world;
  const outcomes: unknown[] = [];
  let isLeased = false;
  world.reply = (request) => {
    if (request.state === "ready" && !isLeased) {
      isLeased = true;
      return leaseFor(nats, request.publicKey, over);
    }
    if (request.state === "building") return orders.shift()?.() ?? new Promise(() => undefined);
    if (request.state === "ended") outcomes.push(request.outcome);
    return STOP;
  };
  const { creds } = nats.issuer.builderCreds(BUILDER, Date.now() + HOUR_MS);
  const { files, serverName: servername } = nats.installation;
  const ca = readCaFile(files.caFile, "the test");
  const data: UserData = { v: 1, builder: BUILDER, nats: { url: nats.url, servername, ca }, creds };
  writeFileSync(join(folder, "user-data"), JSON.stringify(data));
  const agent = join(PROJECT, "dist", "agent", "agent.mjs");
  const argv = ["env", `TMPDIR=${folder}`, process.execPath, agent, join(folder, "user-data")] as const;
  return { ...(await runCommand([...argv])), outcomes };
}

for (const [name, terminal] of [
  ["of the terminal", SIZE],
  ["of the build", undefined],
] as const) {
  test(`an agent that cannot create the folder ${name} reports a broken builder with the code`, async (world) => {
    writeFileSync(join(world.folder, "build"), "a file in place of the folder");
    const { code, output, outcomes } = await runAgent(world, terminal === undefined ? {} : { terminal });
    assert.is(code, 0, output);
    assert.is(outcomes.length, 1, output);
    assert.match(JSON.stringify(outcomes[0]), /^\{"kind":"broken","reason":"(ENOTDIR|EEXIST): /);
  });
}

test("an agent with a refused credential for its build reports a broken builder", async (world) => {
  const { code, output, outcomes } = await runAgent(world, { jwt: "e30.e30.e30" });
  assert.is(code, 0, output);
  assert.match(JSON.stringify(outcomes), /^\[\{"kind":"broken","reason":"NATS at \S+ refuses the credential"\}\]$/);
});

test("a size that cannot be stored does not end the agent", async (world) => {
  const resize = (): AgentReply => {
    rmSync(join(world.folder, "build", "terminal"), { recursive: true });
    return { v: 1, order: "resize", terminal: SIZE };
  };
  const { code, output } = await runAgent(world, { terminal: SIZE }, [resize, () => STOP]);
  assert.is(code, 0, output);
  assert.match(output, /ENOENT: no such file or directory.*terminal[\s\S]*the queue orders to stop/);
});

test.run();
