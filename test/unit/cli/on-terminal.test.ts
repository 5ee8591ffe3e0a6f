/** Built programs on a terminal, made by script(1): what they leave on it, and what they write with --no-tty. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { build } from "../../../infra/tools/build.ts";

const test = suite<{ folder: string; client: string; probe: string }>("on a terminal");
const root = new URL("../../..", import.meta.url).pathname;

/**
 * Prints half a line with a colour and a hidden cursor as a build's output, and ends as its argument says. The first signal keeps it
 * busy for as long as the test takes to send the second, which then arrives before the first one's listeners have ended.
 */
const PROBE = `
import { CbError } from "${root}lib/core/errors.ts";
import { interruptSignal } from "${root}lib/cli/interrupt.ts";
import { main } from "${root}lib/cli/main.ts";
import { writeOutput } from "${root}lib/cli/standard-output.ts";
await main("probe", async ([end]) => {
  const interrupted = interruptSignal();
  interrupted.addEventListener("abort", () => {
    process.stderr.write("interrupted once");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  });
  await writeOutput(Buffer.from("\\u001b[31m\\u001b[?25lhalf a line"));
  if (end === "failure") throw new CbError("usage", "it failed");
  if (end === "wait") await new Promise(() => setInterval(() => process.stderr.write(""), 1000));
  return 0;
});
`;

test.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "cb-terminal-"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  mkdirSync(join(folder, "cmd"));
  writeFileSync(join(folder, "cmd/probe.ts"), PROBE);
  writeFileSync(join(folder, "cmd/container-builder.ts"), `import "${root}cmd/container-builder.ts";\n`);
  const { programs } = await build({ sourceDir: folder, outDir: join(folder, "dist"), withAgent: false });
  const [client, probe] = ["container-builder", "probe"].map((name) => programs.find((path) => path.endsWith(name)));
  writeFileSync(join(folder, "r.def"), "Bootstrap: scratch\n");
  Object.assign(context, { folder, client, probe });
});
test.after(({ folder }) => rmSync(folder, { recursive: true }));

const onTerminal = (command: string): string[] => ["-qefc", command, "/dev/null"];
const HALF = "\u001b[31m\u001b[?25lhalf a line";
/** Colours and cursor as before, and the cursor at the start of a line. The terminal adds the carriage return. */
const RESTORED = "\u001b[0m\u001b[?25h\r\n";

test("a program gives the terminal back at its end, also before it prints an error", ({ probe }) => {
  const ended = (end: string) => spawnSync("script", onTerminal(`${probe} ${end}`), { encoding: "utf8" });
  assert.is(ended("success").stdout, HALF + RESTORED);
  const { status, stdout } = ended("failure");
  assert.is(status, 64);
  assert.is(stdout, `${HALF}${RESTORED}probe: it failed\r\n`);
});

test("a second Ctrl-C gives the terminal back before it ends the program", async ({ probe }) => {
  const script = spawn("script", onTerminal(`echo $$; exec ${probe} wait`), { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  const ended = once(script, "close");
  // Two signals at once are delivered as one, so the second follows the effect of the first.
  const signalAfter = ["half a line", "interrupted once"];
  for await (const piece of script.stdout as AsyncIterable<Buffer>) {
    printed += piece.toString();
    while (signalAfter[0] !== undefined && printed.includes(signalAfter[0])) {
      signalAfter.shift();
      process.kill(Number.parseInt(printed, 10), "SIGINT");
    }
  }
  await ended;
  assert.ok(printed.endsWith(`interrupted once${RESTORED}`), JSON.stringify(printed));
});

test("a program writes no escape sequences of its own where standard output is no terminal", ({ probe }) => {
  assert.is(spawnSync(probe, ["success"], { encoding: "utf8" }).stdout, HALF);
});

test("--docker-login asks on the terminal, also when the standard streams are redirected, and does not show the password", async ({
  folder,
  client,
}) => {
  writeFileSync(join(folder, "private.def"), "Bootstrap: docker\nFrom: registry.example.org/team/app\n");
  const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_STATE_HOME: folder };
  const call = `${client} --dry-run --docker-login ${folder}/p.sif ${folder}/private.def`;
  const command = `${call} </dev/null >${folder}/out 2>&1; echo "code $?"`;
  const script = spawn("script", onTerminal(command), { stdio: ["pipe", "pipe", "inherit"], env });
  let printed = "";
  const ended = once(script, "close");
  const answers = [
    ["User name for registry.example.org: ", "ada\r"],
    ["Password for registry.example.org: ", "typed-password\r"],
  ];
  for await (const piece of script.stdout as AsyncIterable<Buffer>) {
    printed += piece.toString();
    const [question = "", answer] = answers[0] ?? [];
    if (answer === undefined || !printed.includes(question)) continue;
    answers.shift();
    script.stdin.write(answer);
  }
  await ended;
  const out = readFileSync(join(folder, "out"), "utf8");
  assert.match(printed, "code 0", out);
  assert.match(out, /^login: +registry\.example\.org, from --docker-login$/m);
  assert.not.match(printed + out, "typed-password");
  const without = spawnSync("setsid", ["-w", "sh", "-c", call], { encoding: "utf8", env });
  assert.is(without.status, 64, without.stderr);
  assert.match(without.stderr, /--docker-login needs a terminal, and there is none\n {2}log in first: docker login/);
});

test("with --no-tty and with TERM=dumb the client writes whole lines without escape sequences", ({
  folder,
  client,
}) => {
  const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_STATE_HOME: folder, TERM: "xterm" };
  const printed = (options: string, more: NodeJS.ProcessEnv = {}) => {
    const command = `${client} ${options} ${folder}/x.sif ${folder}/r.def`;
    return spawnSync("script", onTerminal(command), { encoding: "utf8", env: { ...env, ...more } }).stdout;
  };
  assert.match(printed(""), "\u001b[K");
  assert.not.match(printed("--no-tty"), "\u001b");
  assert.not.match(printed("", { TERM: "dumb" }), "\u001b");
});

test.run();
