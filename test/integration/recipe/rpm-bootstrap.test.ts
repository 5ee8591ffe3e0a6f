/** `Bootstrap: yum` and `Bootstrap: dnf` from a real repository, in sandboxes. */
// slow: makes an RPM repository, installs rpm and createrepo-c for it, and builds four times
// timeout: 600 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RecipeStack } from "../../support/recipe/recipe-stack.ts";
import { type RpmRepository, startRpmRepository } from "../../support/recipe/rpm-repository.ts";

const test = suite<{ world: RecipeStack; repository: RpmRepository }>("bootstrap from RPM packages");

test.before(async (context) => {
  context.repository = await startRpmRepository();
  context.world = await RecipeStack.start({ served: [context.repository.host] });
});
test.after(async ({ world, repository }) => {
  await world?.stop();
  await repository?.stop();
});

for (const agent of ["yum", "dnf"]) {
  test(`Bootstrap: ${agent} installs the packages of MirrorURL, UpdateURL and Include with their scripts`, async ({
    world,
    repository: { host },
  }) => {
    const recipe = `BootStrap: ${agent}
OSVersion: 9
MirrorURL: http://${host}/%{OSVERSION}/base
UpdateURL: http://${host}/%{OSVERSION}/updates
Include: included

%post
    cat /etc/redhat-release /opt/included
    busybox mknod -m 600 /other c 1 11 || echo REFUSED
`;
    const printed = await world.built(agent, recipe);
    assert.match(printed, "Test Linux 9\nfrom the package\nfrom its script");
    // Only the four devices that apptainer itself makes are left out in silence.
    assert.match(printed, "REFUSED");
    const inside = await world.inspect(
      agent,
      "apptainer exec $I cat /opt/included; apptainer exec $I busybox find /var/lib/rpm",
    );
    assert.match(inside, /^from the package\nfrom its script\n.*rpmdb\.sqlite/s);
  });
}

test("a mirror that does not answer, and a package that no repository has, end the build with the messages of dnf", async ({
  world,
  repository: { host },
}) => {
  const header = "Bootstrap: dnf\nMirrorURL: http://";
  const away = await world.build("away", `${header}${host}/8/base\n`);
  assert.is(away.code, 1, away.stderr);
  assert.match(away.stdout, /Status code: 404 for http:.*repomd\.xml/);
  const unknown = await world.build("unknown", `${header}${host}/9/base\nInclude: no-such-package\n`);
  assert.is(unknown.code, 1, unknown.stderr);
  assert.match(unknown.stdout, /Unable to find a match: no-such-package/, unknown.stdout);
  assert.match(unknown.stderr, "while bootstrapping");
});

test.run();
