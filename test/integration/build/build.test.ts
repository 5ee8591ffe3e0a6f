/** Builds with the shipped programs, nats-server, sandboxes and apptainer, as a user runs them. */
// timeout: 600 s
// With an empty cache it makes the root file system, which takes two to three minutes.
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

/** The names in the folder of a build's image. */
const filesIn = (stack: Stack, folder: string) => readdirSync(stack.path(folder));

test("container-builder fetches the image, and standard output has only the output of the build", async ({ stack }) => {
  const image = stack.path("hello.sif");
  const built = await stack.run("container-builder", [image, HELLO]);
  assert.is(built.code, 0, built.stderr);
  assert.match(built.stdout, /building as root, uid 0, on container-builder/);
  const magic = Buffer.alloc(9);
  readSync(openSync(image, "r"), magic, 0, 9, 32);
  assert.is(magic.toString(), "SIF_MAGIC", "a SIF file has its magic at byte 32");
  const steps = built.stderr.trimEnd().split("\n");
  assert.is(steps[0], "Connecting to BuilderQueue: Connected to queue: 127.0.0.1");
  assert.match(built.stderr, /^Requesting remote builder: Connected to remote builder: cb-[0-9a-f]{8}$/m);
  assert.not.match(built.stderr, /build context/, "the recipe reads no file");
  assert.match(built.stderr, /^Transferring \S*hello.sif: Completed, [\d.]+ [KM]iB/m);
  assert.not.match(built.stdout, /Transferring|Requesting/);
});

test("cb-status prints the format that scripts parse, and with --json the whole reply", async ({ stack }) => {
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

test("a recipe that fails causes exit code 1, prints its output and the reason, and leaves no file", async ({
  stack,
}) => {
  mkdirSync(stack.path("failed"));
  const path = recipe(stack, "fails", "    echo before the end\n    exit 7");
  const { code, stdout, stderr } = await stack.run("container-builder", [stack.path("failed", "x.sif"), path]);
  assert.is(code, 1);
  assert.match(stdout, "before the end");
  assert.match(
    stderr,
    /the build failed: %post ended with exit status 7\n( {4}.*\n)* {4}before the end\n( {4}.*\n)* {2}the whole output: cb-logs /,
  );
  assert.equal(filesIn(stack, "failed"), []);
});

test("output arrives byte by byte as the build wrote it, also if it is not UTF-8", async ({ stack }) => {
  const path = recipe(stack, "bytes", "    printf 'A\\377\\000\\303(B\\r\\033[1mC\\n'\n    seq 1 20000");
  const { code, bytes, stderr } = await stack.run("container-builder", [stack.path("bytes.sif"), path]);
  assert.is(code, 0, stderr);
  assert.ok(bytes.includes(Buffer.from("A\xff\x00\xc3(B\r\x1b[1mC\n", "latin1")));
  const numbers = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join("");
  assert.ok(bytes.includes(Buffer.from(numbers)), "all twenty thousand lines, in order");
});

test("--tty gives the build a terminal, and --no-tty does not", async ({ stack }) => {
  const path = recipe(stack, "tty", "    if [ -t 1 ]; then echo terminal; else echo pipe; fi");
  const output = async (...options: string[]) =>
    (await stack.run("container-builder", [...options, "--force", stack.path("tty.sif"), path])).stdout;
  assert.match(await output("--tty"), /^terminal\r?$/m);
  assert.match(await output("--no-tty"), /^pipe$/m);
});

test("a build has no input and the settings of an unattended build, with and without a terminal", async ({ stack }) => {
  const post = `    for from in /dev/tty /dev/stdin; do (read a <$from) || echo "nothing from $from"; done; echo "$DEBIAN_FRONTEND $PAGER"`;
  const path = recipe(stack, "unattended", post);
  for (const option of ["--tty", "--no-tty"]) {
    const { stdout } = await stack.run("container-builder", [option, "--force", stack.path("u.sif"), path]);
    for (const line of ["nothing from /dev/tty", "nothing from /dev/stdin", "noninteractive cat"])
      assert.match(stdout, new RegExp(`^${line}\\r?$`, "m"), option);
  }
});

test("a background process of %post does not delay the end of the build", async ({ stack }) => {
  const path = recipe(stack, "daemon", "    /bin/sleep 3600 &\n    echo the daemon runs");
  const { code, stdout, stderr } = await stack.run("container-builder", ["--debug", stack.path("daemon.sif"), path]);
  assert.is(code, 0, stderr);
  assert.match(stdout, "the daemon runs");
  assert.match(stderr, /^Time left: (?:6h00m|5h59m)$/m, "--debug prints how long the build may run");
});

test("the image is fetched after the reader of the output has exited, as head does", async ({ stack }) => {
  const path = recipe(stack, "headed", "    seq 1 200000");
  const running = stack.start("container-builder", [stack.path("headed.sif"), path]);
  await running.seen(/Starting build/);
  running.closeStdout();
  const { code, stderr } = await running.finished;
  assert.is(code, 0, stderr);
  assert.ok(existsSync(stack.path("headed.sif")));
});

test("a terminal shows each step in place, and a progress bar with size, rate and time left", async ({ stack }) => {
  const post = "    dd if=/dev/urandom of=/large bs=1M count=150 2>/dev/null; [ -t 1 ] && echo on a terminal";
  const path = uncompressed(recipe(stack, "bar", post));
  const { code, stdout } = await stack.runOnTerminal("container-builder", [stack.path("bar.sif"), path]);
  assert.is(code, 0, stdout.slice(-2000));
  assert.match(stdout, "on a terminal", "the build has a terminal because the client has one");
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

test("the build's terminal has the size of the client's, also after a change", async ({ stack }) => {
  // apptainer gives a script no standard input, so stty reads the terminal from standard output.
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
  assert.not.match(refused.stderr, "Connecting", "the error is reported before connecting");
  assert.is(readFileSync(image, "utf8"), "mine");
  assert.is((await stack.run("container-builder", ["--force", image, HELLO])).code, 0);
  assert.ok(statSync(image).size > 10_000);
});

test("a wrong argument or recipe is reported before connecting, with exit code 64", async ({ stack }) => {
  mkdirSync(stack.path("folder"));
  writeFileSync(stack.path("empty.def"), "");
  writeFileSync(stack.path("unknown.def"), "hello\n");
  writeFileSync(stack.path("large.def"), "Bootstrap: scratch\n".padEnd(1024 * 1024 + 1, "#"));
  const cases: [string[], RegExp][] = [
    [["x.sif"], /missing required argument 'recipe'/],
    [["x.sif", "missing.def"], /cannot read the recipe "missing.def": it does not exist/],
    [["x.sif", "folder"], /folder has no recipe: neither a Dockerfile nor a definition file/],
    [["x.sif", "empty.def"], /the recipe empty.def is empty/],
    [["x.sif", "unknown.def"], /unknown.def is neither a definition file nor a Dockerfile/],
    [["x.sif", "large.def"], /longer than 1048576 bytes/],
    [["empty.def", "./empty.def"], /empty.def is the recipe/],
    [["--force", "/dev/null", "unknown.def"], /\/dev\/null is no regular file/],
    [["--backend", "lxc", "x.sif", "empty.def"], /lxc.*singularity, docker/],
    [["", "unknown.def"], /the image has no name/],
    [["--arch", "../x", "x.sif", HELLO], /--arch ..\/x is not an architecture\n.*x86_64/],
    [["--colour", "x.sif", "empty.def"], /unknown option '--colour'/],
  ];
  for (const [args, pattern] of cases) {
    const { code, stderr, stdout } = await stack.run("container-builder", args);
    assert.is(code, 64, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, pattern);
    assert.not.match(stderr, /^ {4}at /m, "no stack trace for a user error");
    assert.is(stdout, "");
  }
  assert.not(existsSync(stack.path("x.sif")));
});

test("an image path that cannot be written is reported before connecting, with exit code 73", async ({ stack }) => {
  const { code, stderr } = await stack.run("container-builder", [stack.path("nowhere", "x.sif"), HELLO]);
  assert.is(code, 73, stderr);
  assert.match(stderr, "nowhere");
  assert.not.match(stderr, "Connecting");
});

/** Root ignores file modes; without these two capabilities they apply to it. */
const WITH_FILE_MODES =
  '[ "$(id -u)" = 0 ] && exec setpriv --bounding-set=-dac_override,-dac_read_search "$@"; exec "$@"';

test("an unreadable recipe and an unwritable directory are reported before connecting", async ({ stack }) => {
  const closed = stack.path("closed.def");
  writeFileSync(closed, readFileSync(HELLO), { mode: 0o000 });
  const unread = await stack.runInShell(WITH_FILE_MODES, "container-builder", [stack.path("x.sif"), closed]);
  assert.is(unread.code, 64, unread.stderr);
  assert.match(unread.stderr, /cannot read the recipe "\S+closed.def": you may not read it\n {2}chmod/);
  mkdirSync(stack.path("shut"), { mode: 0o555 });
  const unwritten = await stack.runInShell(WITH_FILE_MODES, "container-builder", [stack.path("shut", "x.sif"), HELLO]);
  assert.is(unwritten.code, 73, unwritten.stderr);
  assert.match(unwritten.stderr, /cannot write \S+shut\/x.sif \(EACCES\)\n {2}choose a directory you may write to/);
  for (const { stderr } of [unread, unwritten]) assert.not.match(stderr, "Connecting");
});

test("a credential that is missing, malformed, expired, of another installation or forged has its own error message", async ({
  stack,
}) => {
  const statusWith = async (creds: string) => stack.run("cb-status", [], { env: { NATS_CREDS: creds } });
  const missing = await statusWith(stack.path("missing.creds"));
  assert.is(missing.code, 78);
  assert.match(missing.stderr, /there is no credential file \S*missing.creds/);
  writeFileSync(stack.path("other.creds"), "hello");
  const other = await statusWith(stack.path("other.creds"));
  assert.is(other.code, 78);
  assert.match(other.stderr, /other.creds is not a NATS credential file/);
  const [account, key] = [createKey("account"), createKey("user")];
  const guest = parseCreds(readFileSync(stack.statePath("client", "user.creds"), "utf8"), "user").account;
  const statusWithJwt = (name: string, about: { expiresAtMs?: number }, of: string) => {
    const jwt = userJwt({ name, publicKey: key.publicKey, issuedAtMs: 0, ...about }, {}, account, of);
    writeFileSync(stack.path(`${name}.creds`), formatCreds(jwt, key));
    return statusWith(stack.path(`${name}.creds`));
  };
  const expired = await statusWithJwt("expired", { expiresAtMs: 1_000_000 }, guest);
  assert.is(expired.code, 77);
  assert.match(expired.stderr, /expired.creds of expired expired at 1970-01-01T00:16:40/);
  const elsewhere = await statusWithJwt("elsewhere", {}, account.publicKey);
  assert.is(elsewhere.code, 77);
  assert.match(elsewhere.stderr, /elsewhere.creds of elsewhere is of another installation/);
  const forged = await statusWithJwt("forged", {}, guest);
  assert.is(forged.code, 77, "the account that signed it is unknown to the server");
  assert.match(forged.stderr, /NATS at \S+ refuses the credential/);
});

test("an unreadable credential is named with a remedy, and no request is sent", async ({ stack }) => {
  const closed = stack.path("unread.creds");
  writeFileSync(closed, readFileSync(stack.statePath("client", "user.creds")), { mode: 0o600 });
  const script = `NATS_CREDS='${closed}'; export NATS_CREDS; ${WITH_FILE_MODES}`;
  assert.is((await stack.runInShell(script, "cb-status", [])).code, 0, "a readable credential works");
  chmodSync(closed, 0o000);
  const { code, stdout, stderr } = await stack.runInShell(script, "cb-status", []);
  assert.is(code, 78, stderr);
  assert.is(stdout, "");
  assert.match(
    stderr,
    /cannot read the credential file \S+unread.creds: you may not read it\n {2}if it is yours: chmod 600 \S+unread.creds; else ask the operators/,
  );
});

test("an absent queue causes exit code 69, and missing settings cause exit code 78", async ({ stack }) => {
  const creds = stack.statePath("client", "user.creds");
  const away = await stack.run("cb-status", [], { env: { NATS_URL: "tls://localhost:1", NATS_CREDS: creds } });
  assert.is(away.code, 69, away.stderr);
  assert.match(away.stderr, /cannot reach NATS at tls:\/\/localhost:1/);
  assert.match(away.stderr, /the address comes from NATS_URL/);
  const bare = await stack.run("cb-status", [], { env: { NATS_URL: "tls://192.0.2.1:4222", NATS_CREDS: creds } });
  assert.is(bare.code, 78, "an address without the name in its certificate cannot be checked");
  assert.match(bare.stderr, "servername");
  const open = await stack.run("cb-status", [], { env: { NATS_URL: "nats://queue.example:4222", NATS_CREDS: creds } });
  assert.is(open.code, 78, "no connection to another machine is unencrypted");
  assert.match(open.stderr, /without encryption\n {2}use tls:/);
  const unset = await stack.run("cb-status", [], { env: { NATS_URL: "tls://127.0.0.1:1" } });
  assert.is(unset.code, 78, unset.stderr);
  assert.match(unset.stderr, "NATS_CREDS");
});

test.run();
