import { suite } from "uvu";
import * as assert from "uvu/assert";
import { deviceFilterFor } from "../../../agent/pseudo-devices.ts";

const test = suite("pseudo devices");

const MACHINE = "         0          0 4294967295\n";
const SANDBOX = "         0     100000      65536\n";
const isFiltered = (text: string, uidMap: string, backend: "singularity" | "docker" = "singularity") =>
  deviceFilterFor({ backend, text }, uidMap).length > 0;

test("deviceFilterFor() filters a bootstrap from RPM packages in a user namespace, in any stage, and nothing else", () => {
  const second = "Bootstrap: docker\nFrom: x\nStage: one\n\nBootStrap:dnf # as it is\n";
  for (const text of ["Bootstrap: yum\n", second]) {
    assert.ok(isFiltered(text, SANDBOX), text);
    assert.not.ok(isFiltered(text, MACHINE), text);
    assert.not.ok(isFiltered(text, SANDBOX, "docker"), text);
  }
  for (const text of [
    "Bootstrap: yummy\n",
    "Bootstrap: docker\nFrom: dnf\n",
    "Bootstrap: scratch\n%post\n  yum install x\n",
  ])
    assert.not.ok(isFiltered(text, SANDBOX), text);
});

test.run();
