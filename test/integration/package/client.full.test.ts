// timeout: 1200 s
/** The client's package in bare Debian trees and under both module systems, and the glibc that its programs need. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findArchitecture } from "../../../infra/package/architectures.ts";
import { makeTree, PROGRAMS } from "../../../infra/package/tree.ts";
import { ensureTools } from "../../../infra/tools/setup/ensure-tools.ts";
import { PACKAGE_TOOLS } from "../../../infra/tools/setup/packages.ts";
import { VERSION } from "../../../lib/core/version.ts";
import { startTestNats } from "../../support/nats/nats.ts";
import { debianTree, inTree } from "../../support/package/trees.ts";

const test = suite<{ folder: string; client: string }>("client package");

test.before(async (context) => {
  await ensureTools({ need: PACKAGE_TOOLS, onStep: console.error });
  context.folder = mkdtempSync(join(tmpdir(), "cb-client-"));
  process.prependListener("exit", () => rmSync(context.folder, { recursive: true, force: true }));
  const arch = findArchitecture(execFileSync("uname", ["-m"], { encoding: "utf8" }).trim());
  const made = join(context.folder, "made");
  await makeTree("client", arch, made);
  // The package is complete before it is moved to its place.
  context.client = join(context.folder, `container-builder-${VERSION}`);
  renameSync(made, context.client);
});
test.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

test("no program or library of the package needs a glibc above 2.28", ({ client }) => {
  const files = ["node", "libstdc++.so.6", "libgcc_s.so.1"].map((name) => join(client, "lib", name));
  const text = execFileSync("readelf", ["-V", ...files], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  const minors = [...text.matchAll(/GLIBC_2\.(\d+)/g)].map((match) => Number(match[1]));
  assert.is(Math.max(...minors), 28);
});

test("each program runs through links to the folder and to the program, and by its bare name", ({ client, folder }) => {
  symlinkSync(client, join(folder, "current"));
  mkdirSync(join(folder, "links"));
  assert.equal(readdirSync(join(client, "bin")).sort(), [...PROGRAMS.client].sort());
  for (const name of PROGRAMS.client) {
    symlinkSync(join(folder, "current/bin", name), join(folder, "links", name));
    for (const path of [join(client, "bin", name), join(folder, "current/bin", name), join(folder, "links", name)])
      assert.is(execFileSync(path, ["--version"], { encoding: "utf8", env: {} }), `${VERSION}\n`);
  }
  const cwd = join(client, "bin");
  assert.is(execFileSync("sh", ["cb-status", "--version"], { cwd, encoding: "utf8" }), `${VERSION}\n`);
});

for (const release of ["bullseye", "bookworm", "trixie"]) {
  test(`the programs run in a bare Debian ${release}, and connect to NATS over TLS`, async ({ client }) => {
    const tree = await debianTree(release);
    const bin = "/opt/container-builder/current/bin";
    assert.is(await inTree(tree, client, `${bin}/container-builder --version`), `${VERSION}\n`);
    const nats = await startTestNats();
    try {
      const { creds } = nats.issuer.userCreds("ada");
      const script = [
        `cat >/ada.creds <<'END'\n${creds}\nEND`,
        `cat >/ca.crt <<'END'\n${readFileSync(nats.installation.files.caFile, "utf8")}\nEND`,
        "mkdir -p /root/.config/container-builder",
        `printf 'url: ${nats.url}\\ncreds: /ada.creds\\nca: /ca.crt\\nservername: nats.test\\n' >/root/.config/container-builder/config.yaml`,
        `${bin}/cb-status 2>&1 || echo "exit code $?"`,
      ].join("\n");
      // NATS accepts the credential. There is no queue, which is what the program then says.
      const output = await inTree(tree, client, script);
      assert.match(output, /no queue|queue.*(not|does not)/i);
      assert.match(output, /exit code 69/);
    } finally {
      await nats.stop();
    }
  });
}

const MODULE_SYSTEMS = [
  // bash-completion 2.11 does not look beside the programs in PATH, 2.16 does.
  [
    "environment-modules",
    "bookworm",
    "/etc/profile.d/modules.sh",
    ". /site/current/share/bash-completion/completions/cb-status",
  ],
  ["lmod", "trixie", "/etc/profile.d/lmod.sh", "_completion_loader cb-status || true"],
] as const;

for (const [name, release, init, complete] of MODULE_SYSTEMS) {
  test(`module load of an installed client finds its default, programs, manual pages and settings: ${name}`, async ({
    client,
  }) => {
    const tree = await debianTree(release, [name, "procps", "man-db", "bash-completion"]);
    const show = 'echo "$PATH"; echo "$MANPATH"; echo "$XDG_CONFIG_DIRS"';
    const files = "/site/modulefiles/container-builder";
    const script = [
      `. ${init}; cd /; /opt/container-builder/container-builder-0/install /site`,
      // Without a default both module systems would take the highest version.
      `cp ${files}/${VERSION} ${files}/99.0.0`,
      "module use /site/modulefiles; module load container-builder; command -v cb-status; cb-status --version",
      // A manual page of the system is still found.
      "man -w cb-status; man -w man",
      `. /usr/share/bash-completion/bash_completion; ${complete}`,
      'COMP_WORDS=(cb-status --js) COMP_CWORD=1; _cb_status; echo "$COMPREPLY"',
      `${show}; module unload container-builder; ${show}`,
    ].join("\n");
    const lines = (await inTree(tree, client, script)).split("\n");
    const root = `/site/container-builder-${VERSION}`;
    assert.equal(lines.slice(0, 3), [`${root}/bin/cb-status`, VERSION, `${root}/share/man/man1/cb-status.1`]);
    assert.match(lines[3] ?? "", /^\/usr\/share\/man\/man1\/man\.1/);
    assert.is(lines[4], "--json");
    assert.ok(lines[5]?.startsWith(`${root}/bin:`), lines[5]);
    assert.match(lines[6] ?? "", new RegExp(`^${root}/share/man:(.*:)?$`));
    assert.is(lines[7], `${root}/etc:/etc/xdg`);
    assert.not.match(lines.slice(8).join("\n"), /container-builder/);
  });
}

test.run();
