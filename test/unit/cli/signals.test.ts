/** The effect of signals on built programs, in processes that a shell starts. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { build } from "../../../infra/tools/build.ts";
import { signalsOf } from "../../../lib/cli/ignored-signals.ts";

const test = suite<{ folder: string; probe: string; agent: string }>("signals");
const root = new URL("../../..", import.meta.url).pathname;

/** Ends with 130 when it is interrupted and with 0 after SIGUSR2. It prints its pid, because a shell may be its parent. */
const PROBE = `
import { interruptSignal } from "${root}lib/cli/interrupt.ts";
import { main } from "${root}lib/cli/main.ts";
await main("probe", () => new Promise((resolve) => {
  const interrupted = interruptSignal();
  interrupted.addEventListener("abort", () => resolve(130));
  process.on("SIGUSR2", () => resolve(0));
  setInterval(() => undefined, 60_000);
  process.stdout.write(\`\${process.pid} \${process.env.CB_IGNORED_SIGNALS}\\n\`);
}));
`;

test.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "cb-signals-"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  mkdirSync(join(folder, "cmd"));
  writeFileSync(join(folder, "cmd/probe.ts"), PROBE);
  mkdirSync(join(folder, "agent"));
  writeFileSync(join(folder, "agent/main.ts"), `import "${root}agent/main.ts";\n`);
  const { programs, agent } = await build({ sourceDir: folder, outDir: join(folder, "dist") });
  Object.assign(context, { folder, probe: programs[0], agent });
});
test.after(({ folder }) => rmSync(folder, { recursive: true }));

/** Sends the signals to the probe that `script` starts. Linux delivers pending signals in the order of their numbers. */
async function send(script: string, probe: string, signals: readonly NodeJS.Signals[]) {
  const shell = spawn("sh", ["-c", script, probe], { stdio: ["pipe", "pipe", "pipe"] });
  const ended = once(shell, "close") as Promise<[number | null, string | null]>;
  let stderr = "";
  shell.stderr.on("data", (bytes: Buffer) => {
    stderr += bytes.toString();
  });
  const [line] = (await once(createInterface(shell.stdout), "line")) as [string];
  const [pid, variable] = line.split(" ");
  for (const signal of signals) process.kill(Number(pid), signal);
  const [code, killedBy] = await ended;
  return { code: code ?? killedBy, stderr, variable };
}

test("signalsOf() reads the mask of /proc/PID/status", () => {
  assert.equal(signalsOf("0000000000000001"), ["SIGHUP"]);
  assert.equal(signalsOf("0000000000001006"), ["SIGINT", "SIGQUIT"]);
  assert.equal(signalsOf("0000000000000000"), []);
  for (const text of ["", "x", "0x1", "1 "]) assert.equal(signalsOf(text), []);
});

test("a program is interrupted by each signal that its caller does not ignore", async ({ probe }) => {
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    assert.is((await send('exec "$0"', probe, [signal])).code, 130, signal);
  }
  assert.is((await send('exec "$0"', probe, ["SIGQUIT"])).code, "SIGQUIT");
});

test("a hang-up does not interrupt a program that nohup has started", async ({ probe }) => {
  assert.is((await send('exec nohup "$0"', probe, ["SIGHUP", "SIGUSR2"])).code, 0);
  assert.is((await send('exec nohup "$0"', probe, ["SIGINT"])).code, 130);
});

test("a signal that the calling shell ignores does not interrupt a program", async ({ probe }) => {
  assert.is((await send(`trap '' INT; exec "$0"`, probe, ["SIGINT", "SIGUSR2"])).code, 0);
  assert.is((await send(`trap '' TERM HUP; exec "$0"`, probe, ["SIGHUP", "SIGUSR2", "SIGTERM"])).code, 0);
});

test("a background job of a script ignores SIGINT and SIGQUIT", async ({ probe }) => {
  assert.is((await send('"$0" & wait $!', probe, ["SIGINT", "SIGQUIT", "SIGUSR2"])).code, 0);
});

test("a program does not pass the mask on to its children", async ({ probe }) => {
  assert.is((await send('exec nohup "$0"', probe, ["SIGUSR2"])).variable, "undefined");
});

test("SIGUSR1 does not open Node's debugger", async ({ probe }) => {
  const { code, stderr } = await send('exec "$0"', probe, ["SIGUSR1", "SIGUSR2"]);
  assert.is(code, 0);
  assert.is(stderr, "");
});

test("SIGUSR1 does not open Node's debugger before the first line of a program", async ({ probe }) => {
  const early = "data:text/javascript,process.kill(process.pid,'SIGUSR1')";
  const program = spawn(probe, { env: { ...process.env, NODE_OPTIONS: `--import ${early}` }, stdio: "pipe" });
  const ended = once(program, "close");
  const [line] = (await once(createInterface(program.stderr), "line")) as [string];
  assert.match(line, /^Starting inspector on 192\.0\.2\.1:9229 failed/);
  program.kill("SIGKILL");
  await ended;
});

test("SIGUSR1 does not end a program that is about to start Node", ({ folder, probe }) => {
  mkdirSync(join(folder, "fake"));
  writeFileSync(join(folder, "fake/node"), "#!/bin/sh\nkill -USR1 $$\necho started\n", { mode: 0o755 });
  const PATH = `${join(folder, "fake")}:${process.env.PATH}`;
  assert.is(execFileSync(probe, { encoding: "utf8", env: { ...process.env, PATH } }), "started\n");
});

test("SIGUSR1 does not open Node's debugger in the agent", async ({ folder, agent }) => {
  const userData = join(folder, "user-data");
  execFileSync("mkfifo", [userData]);
  const process = spawn("node", [agent, userData], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(process, "close");
  let stderr = "";
  process.stderr.on("data", (bytes: Buffer) => {
    stderr += bytes.toString();
  });
  // open(2) of a FIFO waits until the agent reads it.
  const writer = await open(userData, "w");
  process.kill("SIGUSR1");
  await writer.writeFile("not user data");
  await writer.close();
  assert.equal(await ended, [1, null]);
  assert.is(stderr, "");
});

test.run();
