/** The kernel's keys, which all sandboxes of a host share, and the names that a sandbox sees of itself. */
import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SandboxProvider } from "../../../lib/provider/sandbox/provider.ts";
import { allOf, inside, SCRIPT_AGENT, succeeded } from "../../support/inside-sandbox.ts";
import { newSpec, signal, untilPrinted } from "../../support/provider-contract.ts";
import { testRootfs } from "../../support/rootfs.ts";
import { cleanUpWhenInterrupted } from "../../support/sandboxes.ts";

const rootfs = await testRootfs();
const home = await mkdtemp(join(tmpdir(), "container-builder-test-"));
const test = suite("sandbox-boundary-keys");
const provider = new SandboxProvider({
  stateDir: join(home, "state"),
  rootfs,
  installation: "test",
  agentCommand: SCRIPT_AGENT,
  agentBinds: [],
  allowHostPorts: [],
});
cleanUpWhenInterrupted(home, [provider]);
test.after(() => rm(home, { recursive: true, force: true }));

test("a sandbox can neither make keys of the kernel nor find those of another sandbox", async () => {
  // Call numbers of x86_64, with those of x32 programs; aarch64 has the calls in another order.
  const calls = process.arch === "x64" ? [248, 248 | 0x40000000] : [217];
  const perl = `
    for my $call (${calls.join(", ")}) {
      for my $n (1 .. 300) {
        my ($type, $name, $text) = ("user", "secret-of-a-build-$n", "x" x 50);
        print "SUCCEEDED key $n by call $call\\n" if syscall($call, $type, $name, $text, 50, -4) >= 0;
        print "errno ", $! + 0, "\\n" if $n == 1;
      }
    }`;
  const attempts = {
    "add a key to the user's keyring": "keyctl add user secret-of-a-build x @u",
    "add a key to the session's keyring": "keyctl add user secret-of-a-build x @s",
    "read the user's keyring": "keyctl show @u",
    "request a key": "keyctl request user secret-of-a-build",
    "use another session keyring": "keyctl session - true",
    "use the calls of a setuid program": "setpriv --reuid 1000 --clear-groups keyctl show @s",
    "enter a user namespace first": "unshare --user --map-root-user keyctl add user secret-of-a-build x @u",
  };
  const first = newSpec("test", `${allOf(attempts)}\nperl -e '${perl}'\necho "all tried"\nsleep 1000`);
  try {
    await provider.create(first, signal());
    const printed = await untilPrinted(provider, first.builder, "all tried");
    assert.equal(succeeded(printed), [], printed);
    assert.equal(
      printed.match(/^errno \d+$/gm),
      calls.map(() => `errno ${constants.errno.ENOSYS}`),
      printed,
    );
    assert.not.match(await inside(provider, "cat /proc/keys"), "secret-of-a-build");
  } finally {
    await provider.destroy(first.builder, signal());
  }
});

test("setuid programs work inside, which a filter without privileges would prevent", async () => {
  const printed = await inside(provider, "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status");
  assert.match(printed, /^NoNewPrivs:\s0$/m);
  assert.match(printed, /^Seccomp:\s2$/m);
});

test("every builder has the same host name inside", async () => {
  const printed = await inside(provider, 'echo "I am $(hostname), $(cat /etc/hostname)"; cat /etc/hosts');
  assert.match(printed, "I am container-builder, container-builder\n");
  assert.match(printed, "127.0.1.1 container-builder\n");
});

test.run();
