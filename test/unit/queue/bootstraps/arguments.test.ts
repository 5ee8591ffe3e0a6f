import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { bootstrapsConfig, NO_BOOTSTRAPS } from "../../../../lib/config/bootstraps-config.ts";
import { bootstrapTree } from "../../../../lib/protocol/builder-messages.ts";
import { bootstrapArgumentsOf, treeRecipe } from "../../../../lib/queue/bootstraps/arguments.ts";

const test = suite("arguments of debootstrap");

const MIRROR = "http://deb.debian.org/debian";
const config = v.parse(bootstrapsConfig, { mirrors: [MIRROR] });
const of = (text: string, buildArgs?: Record<string, string>) =>
  bootstrapArgumentsOf({ backend: "singularity", text, ...(buildArgs && { buildArgs }) }, config);
const recipe = (over: { suite?: string; mirror?: string; include?: string; rest?: string } = {}) =>
  `Bootstrap: debootstrap\nOSVersion: ${over.suite ?? "trixie"}\nMirrorURL: ${over.mirror ?? MIRROR}\n${
    over.include === undefined ? "" : `Include: ${over.include}\n`
  }${over.rest ?? "%post\n  true\n"}`;

test("the arguments are those that apptainer makes of the header, after build arguments", () => {
  assert.equal(of(recipe()), { suite: "trixie", mirror: MIRROR, include: "" });
  assert.equal(of(recipe({ include: "curl git" }))?.include, "curl,git");
  assert.equal(of(recipe({ include: " curl,git # for all" }))?.include, "curl,git");
  assert.is(of(recipe({ suite: "{{ S }}" }), { S: "sid" })?.suite, "sid");
  assert.is(of(recipe({ mirror: `${MIRROR}/` }))?.mirror, `${MIRROR}/`);
  assert.is(of(`bootstrap: scratch\nstage: one\n%post\n  true\n${recipe({ suite: "sid" })}`)?.suite, "sid");
});

test("a recipe gets no tree for an archive, a suite or a package that the site does not list, nor for all without a list", () => {
  assert.is(of(recipe({ mirror: "http://10.0.0.1/debian" })), undefined);
  assert.is(of(recipe({ mirror: `${MIRROR}-security` })), undefined);
  assert.is(of(recipe({ suite: "noble" })), undefined);
  assert.is(of(recipe({ include: "curl openssh-server" })), undefined);
  for (const none of [NO_BOOTSTRAPS, v.parse(bootstrapsConfig, {})])
    assert.is(bootstrapArgumentsOf({ backend: "singularity", text: recipe() }, none), undefined);
});

test("%pre, which runs before debootstrap, a Dockerfile and a long recipe get no tree", () => {
  assert.is(of(recipe({ rest: "%pre\n  true\n" })), undefined);
  assert.is(bootstrapArgumentsOf({ backend: "docker", text: recipe() }, config), undefined);
  assert.ok(of(`${recipe()}${"#".repeat(60_000)}`));
  assert.is(of(`${recipe()}${"#".repeat(70_000)}`), undefined);
  assert.is(of(recipe({ suite: "{{ MISSING }}" })), undefined);
});

test("no hostile value passes, even if the site lists it", () => {
  const hostile = ["../../etc", "trixie;id", "$(id)", "trixie'", "a\\nb", "-x", "trixie /", "sid\tx"];
  for (const text of hostile) {
    const lists = { ...config, suites: [text], mirrors: [text, `${MIRROR}/${text}`], packages: [text] };
    for (const over of [{ suite: text }, { mirror: text }, { mirror: `${MIRROR}/${text}` }, { include: text }]) {
      // A word of its own for two packages is no attack.
      if (text === "trixie /" && over.include !== undefined) continue;
      assert.is(bootstrapArgumentsOf({ backend: "singularity", text: recipe(over) }, lists), undefined, `${text}`);
    }
  }
});

test("an agent refuses a lease with a tree of other arguments than the queue takes", () => {
  const tree = { suite: "trixie", mirror: MIRROR, include: "curl,g++", bytes: 1, madeAtMs: 1 };
  const whole = { ...tree, build: "60c95481-92f3-4491-94d3-14c45bfbc279", digest: `SHA-256=${"a".repeat(43)}=` };
  assert.ok(v.is(bootstrapTree, whole));
  const wrong = [{ suite: "a\nb" }, { suite: "../x" }, { mirror: "file:///etc" }, { mirror: `${MIRROR}/../x` }];
  for (const over of [...wrong, { mirror: `${MIRROR}'` }, { include: "a b" }, { include: "a,'" }, { include: "a," }])
    assert.not(v.is(bootstrapTree, { ...whole, ...over }), JSON.stringify(over));
});

test("the queue's recipe has a header and nothing else, and means the same arguments", () => {
  for (const include of ["", "curl,git"]) {
    const made = treeRecipe({ suite: "trixie", mirror: MIRROR, include });
    assert.equal(bootstrapArgumentsOf(made, config), { suite: "trixie", mirror: MIRROR, include });
    assert.not.match(made.text, "%");
  }
});

test.run();
