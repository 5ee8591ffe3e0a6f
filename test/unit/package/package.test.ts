import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findArchitecture } from "../../../infra/package/architectures.ts";
import { control, debianVersion } from "../../../infra/package/deb.ts";
import { sourceTime } from "../../../infra/package/source-time.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite("infra/package");

test("findArchitecture() names the reason and the architectures there are", () => {
  assert.is(findArchitecture("aarch64").debian, "arm64");
  assert.throws(() => findArchitecture("ppc64le"), /Node's npm package for it ends at 20\.11/);
  assert.throws(() => findArchitecture("mips"), /cannot make packages for mips: unknown/);
});

test("a pre-release is older than its release for dpkg", () => {
  assert.is(debianVersion("1.2.0-rc.1"), "1.2.0~rc.1");
  assert.is(debianVersion("1.2.0"), "1.2.0");
});

test("the server's package takes the place of the client's", () => {
  const arch = findArchitecture("x86_64");
  assert.match(control("server", arch), /^Conflicts: container-builder-client$/m);
  assert.not.match(control("client", arch), /Conflicts/);
});

test("sourceTime() takes SOURCE_DATE_EPOCH, and refuses what is no number of seconds", async () => {
  assert.is(await sourceTime("/", { SOURCE_DATE_EPOCH: "1700000000" }), 1_700_000_000);
  for (const text of ["", "yesterday", "-1", "1.5"]) {
    const error = await rejection(sourceTime("/", { SOURCE_DATE_EPOCH: text }));
    assert.match(String(error), /SOURCE_DATE_EPOCH is/);
  }
});

test.run();
