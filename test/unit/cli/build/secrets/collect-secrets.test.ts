import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { collectSecrets } from "../../../../../lib/cli/build/secrets/collect-secrets.ts";
import type { Backend } from "../../../../../lib/protocol/build-messages.ts";

const test = suite("collect secrets");

const TEXTS = { singularity: "Bootstrap: docker\nFrom: a.io/x\n", docker: "FROM a.io/x\n" };
const HOME = "/nonexistent";

function collect(
  backend: Backend,
  argv: readonly string[],
  environment: Record<string, string> = {},
  secret?: string[],
) {
  const options = secret === undefined ? {} : { secret };
  return collectSecrets({
    recipe: { backend, text: TEXTS[backend] },
    options,
    environment: { HOME, ...environment },
    argv,
  });
}

test("without secrets and logins nothing is sent", async () => {
  assert.equal(await collect("docker", []), { secrets: undefined, shown: [], notes: [] });
});

test("what is shown names the sources, and no value", async () => {
  const { secrets, shown } = await collect("singularity", [], { T: "hidden" }, ["id=t,env=T"]);
  assert.equal(secrets?.secrets, [{ id: "t", value: Buffer.from("hidden").toString("base64") }]);
  assert.equal(shown, [["secret", "t, from the variable T"]]);
});

test("DOCKER_USERNAME and DOCKER_PASSWORD count for definition files alone, as with apptainer and buildah", async () => {
  const login = { DOCKER_USERNAME: "u", DOCKER_PASSWORD: "p" };
  assert.equal((await collect("singularity", [], login)).secrets?.logins, [
    { registry: "a.io", username: "u", password: "p" },
  ]);
  assert.is((await collect("docker", [], login)).secrets, undefined);
});

test("a login for a path goes to apptainer as one for the registry, and to buildah as it is", async () => {
  const file = join(mkdtempSync(join(tmpdir(), "cb-collect-")), "auth.json");
  writeFileSync(file, JSON.stringify({ auths: { "a.io/x": { auth: Buffer.from("u:p").toString("base64") } } }));
  const registries = async (backend: Backend) =>
    (await collect(backend, [], { REGISTRY_AUTH_FILE: file })).secrets?.logins.map(({ registry }) => registry);
  assert.equal([await registries("singularity"), await registries("docker")], [["a.io"], ["a.io/x"]]);
  rmSync(dirname(file), { recursive: true });
});

test("a password on the command line gives a note with the safe ways; one of a variable gives none", async () => {
  const login = { DOCKER_USERNAME: "u", DOCKER_PASSWORD: "p" };
  for (const argv of [["--docker-password", "p"], ["--docker-password=p"]])
    assert.match((await collect("singularity", argv, login)).notes.join(), /APPTAINER_DOCKER_PASSWORD.*--docker-login/);
  assert.equal((await collect("singularity", ["x.sif"], login)).notes, []);
});

test.run();
