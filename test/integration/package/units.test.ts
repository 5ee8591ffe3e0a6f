/** The units of the services, as systemd reads them without running them. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("systemd units");
const UNITS = fileURLToPath(new URL("../../../infra/units/", import.meta.url));

/** The exposure of the unit without its drop-ins, from 0 (least) to 10. */
function exposure(unit: string): number {
  const folder = mkdtempSync(join(tmpdir(), "cb-units-"));
  try {
    copyFileSync(join(UNITS, unit), join(folder, unit));
    const argv = ["security", "--offline=yes", "--no-pager", join(folder, unit)];
    const text = execFileSync("systemd-analyze", argv, { encoding: "utf8" });
    return Number(/exposure level for .*: ([0-9.]+)/.exec(text)?.[1]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// systemd 252 gives 1.2 and 1.4; the scale changes a little between versions.
for (const unit of ["cb-nats.service", "cb-queue.service", "cb-registry.service"]) {
  test(`systemd-analyze security gives ${unit} an exposure of at most 1.5`, () => {
    const level = exposure(unit);
    assert.ok(level > 0 && level <= 1.5, `${level}`);
  });
}

test.run();
