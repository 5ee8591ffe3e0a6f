/** The whole way, as its user walks it: the shipped programs, a real NATS, real sandboxes, real apptainer. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatCreds, parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { userJwt } from "../../../lib/nats/credentials/jwt.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import type { StatusReply } from "../../../lib/protocol/status-messages.ts";
import { HELLO, recipe, uncompressed } from "../../support/recipe/recipes.ts";
import { Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("build");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack.stop();
});

async function status(stack: Stack): Promise<StatusReply> {
  return JSON.parse((await stack.run("cb-status", ["--json"])).stdout) as StatusReply;
}

/** The files in a folder that a build was told to put its image into. */
const left = (stack: Stack, folder: string) => readdirSync(stack.path(folder));

test("container-builder brings a real image, with the output of the build alone on standard output", async ({
  stack,
}) => {
  const image = stack.path("hello.sif");
  const built = await stack.run("container-builder", [image, HELLO]);
  assert.is(built.code, 0, built.stderr);
  assert.match(built.stdout, /building as root, uid 0, on cb-[0-9a-f]{8}/);
  const magic = Buffer.alloc(9);
  readSync(openSync(image, "r"), magic, 0, 9, 32);
  assert.is(magic.toString(), "SIF_MAGIC", "the magic of a SIF file stands at byte 32");
  const steps = built.stderr.trimEnd().split("\n");
  assert.is(steps[0], "Connecting to BuilderQueue: Connected to queue: 127.0.0.1");
  assert.match(built.stderr, /^Requesting remote builder: Connected to remote builder: cb-[0-9a-f]{8}$/m);
  assert.match(built.stderr, /^Transferring build context to builder: Completed$/m);
  assert.match(built.stderr, /^Transferring \S*hello.sif: Completed, [\d.]+ [KM]iB/m);
  assert.not.match(built.stdout, /Transferring|Requesting/);
});

test("cb-status prints the shape that scripts know, and everything as JSON", async ({ stack }) => {
  const { code, stdout } = await stack.run("cb-status", []);
  assert.is(code, 0);
  const lines = stdout.split("\n");
  assert.equal(lines.slice(0, 5), [
    "Connecting to BuilderQueue: Connected to queue: 127.0.0.1",
    "[INFO] Requesting queue status",
    "-------------",
    "Active builders",
    "-------------",
  ]);
  assert.match(
    stdout,
    /\n-------------\nReserve builders\n-------------\n\nID: [0-9a-f-]{36}\nHOST: cb-[0-9a-f]{8}\nPORT: -\n/,
  );
  assert.match(
    stdout,
    /\n-------------\nBuilder images\n-------------\n\nlocal: [0-9a-f]{16}: apptainer \d\S*, buildah \d/,
  );
  const { pools } = await status(stack);
  assert.is(pools[0]?.reserve.target, 2);
});

test("a recipe that fails gives exit code 1, its output, the reason, and no file", async ({ stack }) => {
  mkdirSync(stack.path("failed"));
  const path = recipe(stack, "fails", "    echo before the end\n    exit 7");
  const { code, stdout, stderr } = await stack.run("container-builder", [stack.path("failed", "x.sif"), path]);
  assert.is(code, 1);
  assert.match(stdout, "before the end");
  assert.match(stderr, /the build failed: apptainer build ended with exit code 255/);
  assert.equal(left(stack, "failed"), []);
});

test("output arrives as the build wrote it, byte by byte, also what is no UTF-8", async ({ stack }) => {
  const path = recipe(stack, "bytes", "    printf 'A\\377\\000\\303(B\\r\\033[1mC\\n'\n    seq 1 20000");
  const { code, bytes, stderr } = await stack.run("container-builder", [stack.path("bytes.sif"), path]);
  assert.is(code, 0, stderr);
  assert.ok(bytes.includes(Buffer.from("A\xff\x00\xc3(B\r\x1b[1mC\n", "latin1")));
  const numbers = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join("");
  assert.ok(bytes.includes(Buffer.from(numbers)), "twenty thousand lines, in order, none missing");
});

test("--tty gives the build a terminal, --no-tty gives it none", async ({ stack }) => {
  const path = recipe(stack, "tty", "    if [ -t 1 ]; then echo terminal; else echo pipe; fi");
  const output = async (...options: string[]) =>
    (await stack.run("container-builder", [...options, "--force", stack.path("tty.sif"), path])).stdout;
  assert.match(await output("--tty"), /^terminal\r?$/m);
  assert.match(await output("--no-tty"), /^pipe$/m);
});

test("a process that %post leaves behind keeps nobody waiting", async ({ stack }) => {
  const path = recipe(stack, "daemon", "    /bin/sleep 3600 &\n    echo the daemon runs");
  const { code, stdout, stderr } = await stack.run("container-builder", ["--debug", stack.path("daemon.sif"), path]);
  assert.is(code, 0, stderr);
  assert.match(stdout, "the daemon runs");
  assert.match(stderr, /^Time left: (?:6h00m|5h59m)$/m, "--debug tells how long a build may run here");
});

test("a reader of the output that leaves, as head does, does not cost the image", async ({ stack }) => {
  const path = recipe(stack, "headed", "    seq 1 200000");
  const running = stack.start("container-builder", [stack.path("headed.sif"), path]);
  await running.seen(/Starting build/);
  running.closeStdout();
  const { code, stderr } = await running.finished;
  assert.is(code, 0, stderr);
  assert.ok(existsSync(stack.path("headed.sif")));
});

test("a terminal shows each step in place, and the image's bar with size, rate and time left", async ({ stack }) => {
  const post = "    dd if=/dev/urandom of=/large bs=1M count=150 2>/dev/null; [ -t 1 ] && echo on a terminal";
  const path = uncompressed(recipe(stack, "bar", post));
  const { code, stdout } = await stack.runOnTerminal("container-builder", [stack.path("bar.sif"), path]);
  assert.is(code, 0, stdout.slice(-2000));
  assert.match(stdout, "on a terminal", "the build has a terminal because its caller has");
  const frames = stdout
    .split("\r\u001b[K")
    .filter((frame) => frame.startsWith("Transferring bar.sif: ") && frame.includes("%"));
  const bar = /bar.sif: \[=* *\] +\d+% [\d.]+ [KM]iB\/15\d\.\d MiB [\d.]+ [KM]iB\/s, \d+s left$/;
  assert.ok(
    frames.some((frame) => bar.test(frame)),
    frames.slice(0, 5).join("\n"),
  );
  assert.ok(
    frames.every((frame) => frame.length < 100),
    "no frame wraps",
  );
  assert.match(stdout, /bar.sif: Completed, 15\d\.\d MiB, [\d.]+ MiB\/s\r\n/);
});

test("the build's terminal has the size of its caller's, and follows it", async ({ stack }) => {
  // apptainer gives a script no standard input; what it prints on is the terminal.
  const post =
    "    stty size <&1\n    trap 'stty size <&1; touch /done' WINCH\n    while [ ! -e /done ]; do sleep 1; done";
  const path = recipe(stack, "size", post);
  const running = stack.startOnTerminal("container-builder", [stack.path("size.sif"), path]);
  await running.seen(/\n30 100\r+\n/);
  running.resize(120, 40);
  await running.seen(/\n40 120\r+\n/);
  const { code, stdout } = await running.finished;
  assert.is(code, 0, stdout);
});

test("an image that exists is kept without --force, and replaced with it", async ({ stack }) => {
  const image = stack.path("kept.sif");
  writeFileSync(image, "mine");
  const refused = await stack.run("container-builder", [image, HELLO]);
  assert.is(refused.code, 64);
  assert.match(refused.stderr, "--force");
  assert.not.match(refused.stderr, "Connecting", "it is said before anything is sent");
  assert.is(readFileSync(image, "utf8"), "mine");
  assert.is((await stack.run("container-builder", ["--force", image, HELLO])).code, 0);
  assert.ok(statSync(image).size > 10_000);
});

test("what is wrong with the call is said at once, with exit code 64", async ({ stack }) => {
  mkdirSync(stack.path("folder"));
  writeFileSync(stack.path("empty.def"), "");
  writeFileSync(stack.path("unknown.def"), "hello\n");
  writeFileSync(stack.path("large.def"), "Bootstrap: scratch\n".padEnd(1024 * 1024 + 1, "#"));
  const cases: [string[], RegExp][] = [
    [["x.sif"], /missing required argument 'recipe'/],
    [["x.sif", "missing.def"], /cannot read the recipe "missing.def": it does not exist/],
    [["x.sif", "folder"], /the recipe folder is a directory/],
    [["x.sif", "empty.def"], /the recipe empty.def is empty/],
    [["x.sif", "unknown.def"], /unknown.def is neither a definition file nor a Dockerfile/],
    [["x.sif", "large.def"], /longer than 1048576 bytes/],
    [["empty.def", "./empty.def"], /empty.def is the recipe/],
    [["--force", "/dev/null", "unknown.def"], /\/dev\/null is no regular file/],
    [["--backend", "lxc", "x.sif", "empty.def"], /lxc.*singularity, docker/],
    [["", "unknown.def"], /the image has no name/],
    [["--arch", "../x", "x.sif", HELLO], /--arch ..\/x is no architecture\n.*x86_64/],
    [["--colour", "x.sif", "empty.def"], /unknown option '--colour'/],
  ];
  for (const [args, pattern] of cases) {
    const { code, stderr, stdout } = await stack.run("container-builder", args);
    assert.is(code, 64, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, pattern);
    assert.not.match(stderr, /^ {4}at /m, "no stack for what is the caller's to change");
    assert.is(stdout, "");
  }
  assert.not(existsSync(stack.path("x.sif")));
});

test("an image that cannot be written is said before anything is sent, with exit code 73", async ({ stack }) => {
  const { code, stderr } = await stack.run("container-builder", [stack.path("nowhere", "x.sif"), HELLO]);
  assert.is(code, 73, stderr);
  assert.match(stderr, "nowhere");
  assert.not.match(stderr, "Connecting");
});

/** Root may read and write everything; without these two rights it is a person like others. */
const AS_PERSON = '[ "$(id -u)" = 0 ] && exec setpriv --bounding-set=-dac_override,-dac_read_search "$@"; exec "$@"';

test("a recipe that may not be read, and a directory that may not be written, are said before anything is sent", async ({
  stack,
}) => {
  const closed = stack.path("closed.def");
  writeFileSync(closed, readFileSync(HELLO), { mode: 0o000 });
  const unread = await stack.runInShell(AS_PERSON, "container-builder", [stack.path("x.sif"), closed]);
  assert.is(unread.code, 64, unread.stderr);
  assert.match(unread.stderr, /cannot read the recipe "\S+closed.def": you may not read it\n {2}chmod/);
  mkdirSync(stack.path("shut"), { mode: 0o555 });
  const unwritten = await stack.runInShell(AS_PERSON, "container-builder", [stack.path("shut", "x.sif"), HELLO]);
  assert.is(unwritten.code, 73, unwritten.stderr);
  assert.match(unwritten.stderr, /cannot write \S+shut\/x.sif \(EACCES\)\n {2}choose a directory you may write to/);
  for (const { stderr } of [unread, unwritten]) assert.not.match(stderr, "Connecting");
});

test("a credential that is missing, no credential, expired, or of another installation, is said in words of its own", async ({
  stack,
}) => {
  const said = async (creds: string) => stack.run("cb-status", [], { env: { NATS_CREDS: creds } });
  const missing = await said(stack.path("missing.creds"));
  assert.is(missing.code, 78);
  assert.match(missing.stderr, /there is no credential file \S*missing.creds/);
  writeFileSync(stack.path("other.creds"), "hello");
  const other = await said(stack.path("other.creds"));
  assert.is(other.code, 78);
  assert.match(other.stderr, /other.creds is not a NATS credential file/);
  const [account, key] = [createKey("account"), createKey("user")];
  const guest = parseCreds(readFileSync(stack.statePath("client", "user.creds"), "utf8"), "user").account;
  const write = (name: string, about: { expiresAtMs?: number }, of: string) => {
    const jwt = userJwt({ name, publicKey: key.publicKey, issuedAtMs: 0, ...about }, {}, account, of);
    writeFileSync(stack.path(`${name}.creds`), formatCreds(jwt, key));
    return said(stack.path(`${name}.creds`));
  };
  const expired = await write("expired", { expiresAtMs: 1_000_000 }, guest);
  assert.is(expired.code, 77);
  assert.match(expired.stderr, /expired.creds of expired expired at 1970-01-01T00:16:40/);
  const foreign = await write("foreign", {}, account.publicKey);
  assert.is(foreign.code, 77);
  assert.match(foreign.stderr, /foreign.creds of foreign is of another installation/);
  const forged = await write("forged", {}, guest);
  assert.is(forged.code, 77, "signed by nobody whom the server knows");
  assert.match(forged.stderr, /NATS at \S+ refuses the credential/);
});

test("a credential that may not be read is named with what to do, and nothing is asked", async ({ stack }) => {
  const closed = stack.path("unread.creds");
  writeFileSync(closed, readFileSync(stack.statePath("client", "user.creds")), { mode: 0o600 });
  const asked = `NATS_CREDS='${closed}'; export NATS_CREDS; ${AS_PERSON}`;
  assert.is((await stack.runInShell(asked, "cb-status", [])).code, 0, "what may be read is good");
  chmodSync(closed, 0o000);
  const { code, stdout, stderr } = await stack.runInShell(asked, "cb-status", []);
  assert.is(code, 78, stderr);
  assert.is(stdout, "");
  assert.match(
    stderr,
    /cannot read the credential file \S+unread.creds: you may not read it\n {2}if it is yours: chmod 600 \S+unread.creds; else ask the operators/,
  );
});

test("a queue that is not there, and settings that are not, have exit codes of their own", async ({ stack }) => {
  const creds = stack.statePath("client", "user.creds");
  const away = await stack.run("cb-status", [], { env: { NATS_URL: "tls://localhost:1", NATS_CREDS: creds } });
  assert.is(away.code, 69, away.stderr);
  assert.match(away.stderr, /cannot reach NATS at tls:\/\/localhost:1/);
  assert.match(away.stderr, /the address comes from NATS_URL/);
  const bare = await stack.run("cb-status", [], { env: { NATS_URL: "tls://192.0.2.1:4222", NATS_CREDS: creds } });
  assert.is(bare.code, 78, "an address without the name in its certificate cannot be checked");
  assert.match(bare.stderr, "servername");
  const open = await stack.run("cb-status", [], { env: { NATS_URL: "nats://queue.example:4222", NATS_CREDS: creds } });
  assert.is(open.code, 78, "nothing leaves this machine without encryption");
  assert.match(open.stderr, /without encryption\n {2}use tls:/);
  const unset = await stack.run("cb-status", [], { env: { NATS_URL: "tls://127.0.0.1:1" } });
  assert.is(unset.code, 78, unset.stderr);
  assert.match(unset.stderr, "NATS_CREDS");
});

test.run();
