/** The program that a build finds as debootstrap, with real packed trees in a sandbox. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bootstrapWrapper } from "../../../agent/bootstrap/wrapper.ts";
import { runInSandbox } from "../../../lib/provider/sandbox/run.ts";
import { testRootfs } from "../../support/rootfs.ts";

const test = suite("bootstrap wrapper");

const OFFSET = 8192;
const tree = {
  suite: "trixie",
  mirror: "http://deb.debian.org/debian",
  include: "curl,g++",
  build: "60c95481-92f3-4491-94d3-14c45bfbc279",
  bytes: 1,
  digest: "",
  madeAtMs: Date.UTC(2026, 10, 27, 3, 12),
};
const ARGUMENTS = [
  "--variant=minbase",
  "--exclude=openssl,udev,debconf-i18n,e2fsprogs",
  "--include=apt,curl,g++",
  "--arch=amd64",
  "trixie",
  "/target",
  "http://deb.debian.org/debian",
];

/** Runs `script` with the wrapper as $W and a packed tree as /tree; the real debootstrap is a program that prints its arguments. */
async function run(script: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "cb-wrapper-"));
  try {
    const options = { tree, path: "/it's a tree", offset: OFFSET, debootstrap: "/bin/real", arch: "amd64" };
    writeFileSync(join(folder, "wrapper"), bootstrapWrapper(options));
    writeFileSync(join(folder, "script"), `${PREPARE}\n${script}`);
    const binds = ["wrapper", "script"].map((name) => ({ from: join(folder, name), to: `/${name}` }));
    const command = ["bash", "/script"];
    const { code, stdout, stderr } = await runInSandbox({ rootfs: await testRootfs(), command, binds, stdio: "pipe" });
    assert.is(code, 0, stdout + stderr);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const PREPARE = `set -e
printf '#!/bin/sh\\necho "real: $*"\\n' >/bin/real
chmod +x /bin/real
mkdir -p /made/.singularity.d/env /made/usr/bin /made/dev /target
echo x >/made/usr/bin/x
chown 7:8 /made/usr/bin/x
chmod 4755 /made/usr/bin/x
touch -d 2020-01-01 /made/usr/bin/x
ln -s usr/bin /made/bin
ln -s .singularity.d/env /made/environment
mksquashfs /made /fs -quiet -no-progress -comp zstd >/dev/null
pack() { { head -c ${OFFSET} /dev/zero; cat /fs; } >"/it's a tree"; }
pack
debootstrap() { sh /wrapper "$@"; }`;

test("for its own arguments it unpacks the tree, without what apptainer adds, and removes the file", async () => {
  const quoted = ARGUMENTS.map((word) => `'${word}'`).join(" ");
  const output = await run(`debootstrap ${quoted}
cd /target; find . -printf '%p %m %U %G %TY %l\\n' | sort | grep -v '^. '
[ ! -e "/it's a tree" ]; debootstrap ${quoted}`);
  assert.equal(output.trim().split("\n"), [
    "container-builder: using the packed Debian trixie tree of 03:12 UTC",
    output.match(/^\.\/bin .*$/m)?.[0],
    output.match(/^\.\/dev .*$/m)?.[0],
    output.match(/^\.\/usr .*$/m)?.[0],
    output.match(/^\.\/usr\/bin .*$/m)?.[0],
    "./usr/bin/x 4755 7 8 2020 ",
    `real: ${ARGUMENTS.join(" ")}`,
  ]);
});

test("for any other argument, one more or one less, it runs debootstrap with them unchanged", async () => {
  const other = ["--variant=x", "--exclude=", "--include=curl,g++", "--arch=arm64", "sid", undefined, "http://x/"];
  const calls = other.flatMap((word, at) => (word === undefined ? [] : [ARGUMENTS.with(at, word)]));
  const shapes = [...calls, [...ARGUMENTS, "script"], ARGUMENTS.slice(0, 6), [], ["a b", "$(id)", "'"]];
  const words = (call: readonly string[]) => call.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const output = await run(shapes.map((call) => `debootstrap ${words(call)}`).join("\n"));
  assert.equal(
    output
      .trimEnd()
      .split("\n")
      .map((line) => line.trimEnd()),
    shapes.map((call) => `real: ${call.join(" ")}`.trimEnd()),
  );
});

test("a damaged tree is cleared away, and debootstrap runs in an empty folder", async () => {
  const quoted = ARGUMENTS.map((word) => `'${word}'`).join(" ");
  const output = await run(`truncate -s ${OFFSET + 200} "/it's a tree"; touch /target/.left
debootstrap ${quoted}; find /target -mindepth 1`);
  assert.is(output.trim(), `real: ${ARGUMENTS.join(" ")}`);
});

test.run();
