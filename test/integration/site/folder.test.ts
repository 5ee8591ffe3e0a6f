/** `cb-admin site` on a folder that is full or cannot be read: a clear error, and nothing lost. */
import { chmodSync, cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { initSite } from "../../../infra/site/init.ts";
import { Stack } from "../../support/stack.ts";

const test = suite("site folder");

const stack = Stack.unstarted();
test.after(() => stack.stop());

const ANSWERS = ["--name", "lab", "--nats", "n1=127.0.0.1", "--operator", "ada"];

test("init in a folder that gets full ends with 73, and completes the site when there is space", async () => {
  mkdirSync(stack.path("small"));
  // Each size ends the run at another file. The last one is enough, and so shows that the others are too small.
  const script = `
    trap 'umount "$D"' EXIT
    for size in 4k 24k 48k 72k 96k; do
      mount -t tmpfs -o size=$size,mode=700 tmpfs "$D"
      "$@" >/dev/null 2>"$D.err"; echo "$size $? $(grep -c 'nothing is lost' "$D.err")"
      mount -o remount,size=4m "$D"
      "$@" >/dev/null || echo "not completed after $size"
      umount "$D"
    done
    mount -t tmpfs tmpfs "$D"`;
  const args = ["site", "init", stack.path("small"), ...ANSWERS];
  const { stdout, stderr } = await stack.runInShell(
    inNamespace(`D='${stack.path("small")}'\n${script}`),
    "cb-admin",
    args,
  );
  assert.equal(
    stdout.trim().split("\n"),
    ["4k", "24k", "48k", "72k", "96k"].map((size) => `${size} 73 1`),
    stderr,
  );
});

test("a renewal in a full folder ends with 73 and leaves every key as it was", async () => {
  await initSite(stack.path("whole"), { name: "lab", nats: ["n1=127.0.0.1"] }, Date.now());
  mkdirSync(stack.path("full"));
  const script = `
    D='${stack.path("full")}'
    mount -t tmpfs -o size=4m,mode=700 tmpfs "$D"
    trap 'umount "$D"' EXIT
    cp -a '${stack.path("whole")}/.' "$D" && chmod 700 "$D"
    sums() { (cd "$D" && find . -type f ! -name filler -exec sha256sum {} + | sort); }
    before=$(sums)
    cat /dev/zero >"$D/filler" 2>/dev/null
    "$@" >/dev/null 2>"$D.err"; echo "full $? $(grep -c 'nothing is lost' "$D.err")"
    [ "$before" = "$(sums)" ] && echo same
    rm "$D/filler"
    "$@" >/dev/null; echo "free $?"`;
  const args = ["site", "renew", stack.path("full"), "--certificates"];
  const { stdout, stderr } = await stack.runInShell(inNamespace(script), "cb-admin", args);
  assert.is(stdout, "full 73 1\nsame\nfree 0\n", stderr);
});

test("a folder that this user cannot read or write is named, with 78 and 73", async () => {
  cpSync(stack.path("whole"), stack.path("locked"), { recursive: true });
  // Root without the right to pass over modes.
  const as = `setpriv --bounding-set=-dac_override,-dac_read_search "$@"`;
  const check = () => stack.runInShell(as, "cb-admin", ["site", "check", stack.path("locked")]);
  assert.is((await check()).code, 0);
  chmodSync(stack.path("locked/site.yaml"), 0o000);
  const unread = await check();
  assert.is(unread.code, 78);
  assert.match(unread.stderr, /cannot read the site's folder \S+: .*locked\/site\.yaml/);
  chmodSync(stack.path("locked/site.yaml"), 0o600);
  chmodSync(stack.path("locked/installation/creds"), 0o000);
  const init = (...more: string[]) => stack.runInShell(as, "cb-admin", ["site", "init", stack.path("locked"), ...more]);
  assert.is((await init()).code, 78);
  chmodSync(stack.path("locked/installation/creds"), 0o700);
  chmodSync(stack.path("locked/installation/creds/operators"), 0o500);
  const unwritten = await init("--operator", "ada", "bob");
  assert.is(unwritten.code, 73);
  assert.match(unwritten.stderr, /cannot write the site's folder \S+: .*creds\/operators/);
});

test("a wrong answer in an option is named without a file that was not written, and one in site.yaml with its line", async () => {
  const wrong = await stack.run("cb-admin", ["site", "init", stack.path("none"), "--name", "lab", "--nats", "a=1_2"]);
  assert.is(wrong.code, 78);
  assert.match(wrong.stderr, "\n  nats.hosts.0.address: must be an IP address or a DNS name in lower case\n");
  assert.not.match(wrong.stderr, "site.yaml");
  assert.is(existsSync(stack.path("none")), false);
  const changed = await stack.run("cb-admin", ["site", "init", stack.path("whole"), "--port", "0"]);
  assert.match(changed.stderr, /^ {2}nats\.port: /m);
  mkdirSync(stack.path("edited"));
  writeFileSync(stack.path("edited/site.yaml"), "name: lab\nserverName: 1.2.3.4\n");
  const edited = await stack.run("cb-admin", ["site", "init", stack.path("edited")]);
  assert.match(edited.stderr, "edited/site.yaml:2: serverName: must be a DNS name");
});

/** A shell command that runs `script` with "$@" in a mount namespace. */
function inNamespace(script: string): string {
  writeFileSync(stack.path("script.sh"), `${script}\n`);
  return `unshare --mount sh '${stack.path("script.sh")}' "$@"`;
}

test.run();
