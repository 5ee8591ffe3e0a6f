/** `container-builder config` and `doctor` with a real nats-server and queue. The clock of the queue is the test's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Issuer } from "../../../lib/nats/credentials/issuer.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";
import { PROJECT } from "../../support/stack.ts";

interface Context {
  readonly lab: QueueLab;
  readonly folder: string;
}

const test = suite<Context>("container-builder config and doctor");

test.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "cb-doctor-"));
  Object.assign(context, { lab: await QueueLab.start(), folder });
  await save(context.lab.nats.issuer, join(context.folder, "ada.creds"));
});
test.after(async ({ lab, folder }) => {
  await lab.stop();
  rmSync(folder, { recursive: true });
});

async function save(issuer: Issuer, path: string): Promise<void> {
  writeFileSync(path, issuer.userCreds("ada").creds, { mode: 0o600 });
}

function runProgram(
  name: string,
  { lab, folder }: Context,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const settings = {
    NATS_URL: lab.nats.url,
    NATS_CREDS: join(folder, "ada.creds"),
    NATS_CA: lab.nats.installation.files.caFile,
    NATS_SERVERNAME: "nats.test",
  };
  return spawned([process.execPath, join(PROJECT, "dist/bin", name), ...args], folder, { ...settings, ...env });
}

/** The lab belongs to the test process, so a program runs beside it. */
async function spawned([file = "", ...args]: readonly string[], home: string, env: Readonly<Record<string, string>>) {
  const PATH = `${join(PROJECT, "dist/bin")}:${process.env.PATH}`;
  const program = spawn(file, args, {
    cwd: home,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH, HOME: home, ...env },
  });
  const [stdout, stderr] = await Promise.all([text(program.stdout), text(program.stderr), once(program, "close")]);
  return { code: program.exitCode, stdout, stderr };
}

const run = (context: Context, args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runProgram("container-builder", context, args, env);

const readme = () => readFileSync(join(PROJECT, "README.md"), "utf8");

/** Sets the queue's clock to this machine's plus `ms`. */
const setClock = ({ clock }: QueueLab, ms: number): void => clock.set(Date.now() + ms - clock.nowMs());

/** The states by name. */
function states(stdout: string): Record<string, string> {
  const lines = stdout.split("\n").filter((line) => /^\S/.test(line));
  return Object.fromEntries(lines.map((line) => [line.slice(6, 17).trim(), line.slice(0, 4).trim()]));
}

const OK = {
  settings: "ok",
  credential: "ok",
  permissions: "ok",
  DNS: "ok",
  TCP: "ok",
  TLS: "ok",
  login: "ok",
  queue: "ok",
};

test("all checks are ok", async (context) => {
  setClock(context.lab, 0);
  const { code, stdout, stderr } = await run(context, ["doctor"]);
  assert.equal([states(stdout), code, stderr], [{ ...OK, clock: "ok", secrets: "ok", folder: "ok" }, 0, ""]);
});

test("the lines of README lead a user with NAME.creds, on a machine with the site's settings, to a doctor without a fault", async ({
  lab,
  folder,
}) => {
  setClock(lab, 0);
  const home = join(folder, "home");
  mkdirSync(join(home, "xdg/container-builder"), { recursive: true });
  await save(lab.nats.issuer, join(home, "NAME.creds"));
  const { caFile } = lab.nats.installation.files;
  const site = { url: lab.nats.url, servername: "nats.test", ca: caFile, sealingKey: lab.sealingKey.publicKey };
  writeFileSync(join(home, "xdg/container-builder/config.yaml"), JSON.stringify(site));
  const [, block = ""] = /## You have a credential of your site.*?```\n(.*?)```/s.exec(readme()) ?? [];
  const lines = block.split("\n").filter((line) => /^(mkdir|mv|chmod|echo|container-builder doctor)/.test(line));
  assert.is(lines.length, 5);
  const script = ["bash", "-e", "-c", lines.join("\n")];
  const { code, stdout, stderr } = await spawned(script, home, { XDG_CONFIG_DIRS: join(home, "xdg") });
  assert.equal([states(stdout), code, stderr], [{ ...OK, clock: "ok", secrets: "ok", folder: "ok" }, 0, ""]);
});

test("a clock that is wrong is a warning, then a failure", async (context) => {
  setClock(context.lab, -60_000);
  const near = await run(context, ["doctor"]);
  assert.equal([states(near.stdout).clock, near.code], ["warn", 0], near.stdout);
  setClock(context.lab, 3_600_000);
  const far = await run(context, ["doctor", "--json"]);
  const { v, checks } = JSON.parse(far.stdout) as {
    v: number;
    checks: { name: string; state: string; kind?: string }[];
  };
  const { state, kind } = checks.find(({ name }) => name === "clock") ?? {};
  assert.equal([v, state, kind, far.code], [1, "fail", "config", 78]);
  setClock(context.lab, 0);
});

test("each step of the way fails with its own exit code, and the later ones are not tried", async (context) => {
  const cases = [
    ["settings", 78, { NATS_URL: "" }],
    ["settings", 78, { NATS_URL: "http://localhost:1" }],
    ["DNS", 69, { NATS_URL: "tls://no-such-host.invalid:1" }],
    ["TCP", 69, { NATS_URL: "tls://127.0.0.1:1" }],
    ["TLS", 78, { NATS_CA: "" }],
    ["TLS", 78, { NATS_SERVERNAME: "other.test" }],
  ] as const;
  const results = await Promise.all(cases.map(([, , env]) => run(context, ["doctor"], env)));
  cases.forEach(([name, exitCode], at) => {
    const { code, stdout } = results[at] ?? {};
    const found = states(stdout ?? "");
    assert.equal(
      [found[name], found.login, found.queue, found.folder, code],
      ["FAIL", "-", "-", "ok", exitCode],
      stdout,
    );
  });
});

test("a second server that does not answer is a warning", async (context) => {
  const { code, stdout } = await run(context, ["doctor"], { NATS_URL: `tls://127.0.0.1:1,${context.lab.nats.url}` });
  assert.match(stdout, /^warn {2}TCP /m);
  assert.equal([states(stdout).login, code], ["ok", 0], stdout);
});

test("a credential of another installation, an expired one, and one that others can read", async (context) => {
  const { folder } = context;
  const [{ publicKey: guestAccount }, signingKey] = [createKey("account"), createKey("account")];
  const other = join(folder, "other.creds");
  await save(new Issuer({ guestAccount, signingKey, nowMs: Date.now }), other);
  chmodSync(other, 0o644);
  const refused = await run(context, ["doctor"], { NATS_CREDS: other });
  assert.equal([states(refused.stdout).permissions, states(refused.stdout).login, refused.code], ["warn", "FAIL", 77]);
  assert.match(refused.stdout, `chmod 600 ${other}`);
  const missing = await run(context, ["doctor"], { NATS_CREDS: join(folder, "none.creds") });
  const { credential, permissions, TLS } = states(missing.stdout);
  assert.equal([credential, permissions, TLS, missing.code], ["FAIL", "-", "ok", 78]);
});

test("a folder that does not exist fails with 73", async (context) => {
  const { code, stdout } = await run(context, ["doctor", "-o", "none"]);
  assert.equal([states(stdout).folder, code], ["FAIL", 73], stdout);
});

test("each program warns once, on standard error, of a credential that others can read", async (context) => {
  const { folder, lab } = context;
  const exposed = join(folder, "exposed.creds");
  await save(lab.nats.issuer, exposed);
  chmodSync(exposed, 0o640);
  const env = { NATS_CREDS: exposed };
  const warning = `other users can read the credential ${exposed}: chmod 600 ${exposed}`;
  const list = await runProgram("cb-builds", context, ["--json"], env);
  assert.equal([JSON.parse(list.stdout).v, list.stderr.split(warning).length, list.code], [1, 2, 0], list.stderr);
  assert.match(list.stderr, `cb-builds: warning: ${warning}\n`);
  // Without NATS the calls end at once.
  const away = { ...env, NATS_URL: "tls://127.0.0.1:1" };
  const quiet = await run(context, ["-q", "a.sif", "docker://debian:12"], away);
  assert.match(quiet.stderr, `warning: ${warning}\n`);
  const json = await run(context, ["--progress", "json", "a.sif", "docker://debian:12"], away);
  const events = json.stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { event: string; text?: string });
  assert.equal(
    events.filter(({ text }) => text === `warning: ${warning}`).map(({ event }) => event),
    ["message"],
  );
});

test("config names the source of each setting, and no secret", async (context) => {
  const { folder, lab } = context;
  mkdirSync(join(folder, ".config/container-builder"), { recursive: true });
  writeFileSync(join(folder, ".config/container-builder/config.yaml"), "servername: from.file\n");
  const shown = await run(context, ["config"], { NATS_SERVERNAME: "" });
  assert.match(
    shown.stdout,
    new RegExp(`^servername +from\\.file +${folder}/\\.config/container-builder/config\\.yaml$`, "m"),
  );
  assert.match(shown.stdout, new RegExp(`^url +${lab.nats.url} +NATS_URL$`, "m"));
  assert.equal([shown.code, shown.stdout.includes("SEED")], [0, false]);
  const json = await run(context, ["config", "--json"]);
  const { settings } = JSON.parse(json.stdout) as { settings: Record<string, { value: string; from: object }> };
  assert.equal(settings.creds, { value: join(folder, "ada.creds"), from: { kind: "variable", name: "NATS_CREDS" } });
  const unset = await run(context, ["config"], { NATS_URL: "" });
  assert.match(unset.stdout, /^url +- +not set$/m);
  assert.equal([unset.code, /no queue is configured/.test(unset.stderr)], [78, true]);
});

test("an image named config or doctor is written with a folder", async (context) => {
  for (const name of ["config", "doctor"]) {
    const { code, stderr } = await run(context, [name, "a.def"]);
    assert.equal([code, stderr.includes(`write ./${name}`)], [64, true], stderr);
  }
});

test.run();
