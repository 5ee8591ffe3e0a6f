/** A yum repository on this host: RPM packages made by rpmbuild and listed by createrepo_c, behind an HTTP server. */
import { copyFileSync, createReadStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureTools } from "../../../infra/tools/setup/ensure-tools.ts";
import { runCommand } from "../../../infra/tools/setup/run-command.ts";
import { HOST_LOOPBACK } from "../../../lib/provider/sandbox/egress.ts";
import { testRootfs } from "../rootfs.ts";

interface Package {
  readonly files: string;
  readonly install: string;
  /** Runs in the new system when the package is installed. */
  readonly script?: string;
}

/** apptainer installs /etc/redhat-release and coreutils before the packages of `Include:`. */
const BASE: Readonly<Record<string, Package>> = {
  "test-release": {
    files: "/etc/redhat-release",
    install: "mkdir -p %{buildroot}/etc; echo 'Test Linux 9' >%{buildroot}/etc/redhat-release",
  },
  coreutils: {
    files: "/bin/busybox\n/bin/sh\n/bin/cat",
    install:
      "mkdir -p %{buildroot}/bin; cp %{busybox} %{buildroot}/bin/busybox; for each in sh cat; do ln -s busybox %{buildroot}/bin/$each; done",
  },
};
const UPDATES: Readonly<Record<string, Package>> = {
  included: {
    files: "/opt/included",
    install: "mkdir -p %{buildroot}/opt; echo 'from the package' >%{buildroot}/opt/included",
    script: "echo 'from its script' >>/opt/included",
  },
};

export interface RpmRepository {
  /** HOST_LOOPBACK:PORT. The repositories are /9/base and /9/updates; `included` is in the latter. */
  readonly host: string;
  stop(): Promise<void>;
}

export async function startRpmRepository(): Promise<RpmRepository> {
  await ensureTools({ need: ["rpmbuild", "createrepo_c"], onStep: () => undefined });
  const folder = mkdtempSync(join(tmpdir(), "cb-rpms-"));
  for (const [name, packages] of Object.entries({ base: BASE, updates: UPDATES })) {
    await makeRepository(folder, join(folder, "9", name), packages);
  }
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://host");
    createReadStream(join(folder, pathname))
      .on("error", () => response.writeHead(404).end())
      .pipe(response);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    host: `${HOST_LOOPBACK}:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function makeRepository(folder: string, repository: string, packages: Record<string, Package>): Promise<void> {
  mkdirSync(repository, { recursive: true });
  const busybox = join(folder, "busybox");
  copyFileSync(join(await testRootfs(), "usr/bin/busybox"), busybox);
  const macros = { _topdir: join(folder, "rpmbuild"), _rpmdir: repository, busybox, __os_install_post: "%{nil}" };
  const defines = Object.entries(macros).flatMap(([name, value]) => ["--define", `${name} ${value}`]);
  for (const [name, { files, install, script }] of Object.entries(packages)) {
    const spec = join(folder, `${name}.spec`);
    const header = `Name: ${name}\nVersion: 1\nRelease: 1\nSummary: ${name}\nLicense: MIT\nAutoReqProv: no\n`;
    const post = script === undefined ? "" : `%post\n${script}\n`;
    writeFileSync(spec, `${header}%description\n${name}\n%install\n${install}\n${post}%files\n${files}\n`);
    await run("rpmbuild", "-bb", ...defines, spec);
  }
  await run("createrepo_c", repository);
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { code, output } = await runCommand([program, ...args]);
  if (code !== 0) throw new Error(`${program} ended with ${code}:\n${output}`);
}
