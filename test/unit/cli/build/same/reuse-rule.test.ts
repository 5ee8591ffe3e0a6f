import { suite } from "uvu";
import * as assert from "uvu/assert";
import { failedShared } from "../../../../../lib/cli/build/same/failed-shared.ts";
import { type ReuseRule, type RuleInput, reuseRule, ruleText } from "../../../../../lib/cli/build/same/reuse-rule.ts";
import { sharedText } from "../../../../../lib/cli/build/same/shared-text.ts";
import { CbError } from "../../../../../lib/core/errors.ts";
import type { Recipe } from "../../../../../lib/protocol/build-messages.ts";

const test = suite("reuse rule");

const dockerfile: Recipe = { backend: "docker", text: "FROM debian:12\nRUN apt-get update\n" };
const withPost: Recipe = {
  backend: "singularity",
  text: "Bootstrap: docker\nFrom: debian:12\n%post\n  apt-get update\n",
};
const plain: Recipe = { backend: "singularity", text: "Bootstrap: docker\nFrom: debian:12\n%environment\n  A=1\n" };

const rule = (recipe: Recipe, more: Partial<RuleInput> = {}): ReuseRule =>
  reuseRule({ recipe, options: {}, hasSecrets: false, reuseDefault: "dockerfiles", ...more });

test("Dockerfiles and definition files without a script are on by default, others are off", () => {
  assert.is(rule(dockerfile).kind, "reuse");
  assert.is(rule(plain).kind, "reuse");
  assert.equal(rule(withPost), {
    kind: "off",
    reason: "%post may fetch something; --reuse-build turns it on",
    isNews: false,
  });
});

test("a site's default and --reuse-build change that", () => {
  for (const recipe of [dockerfile, plain, withPost]) {
    assert.is(rule(recipe, { reuseDefault: "all" }).kind, "reuse");
    assert.is(rule(recipe, { reuseDefault: "none" }).kind, "off");
    assert.is(rule(recipe, { reuseDefault: "none", options: { reuseBuild: true } }).kind, "reuse");
  }
});

test("--rebuild, --no-cache and --pull build anew, and a build with secrets is never used again", () => {
  for (const options of [{ rebuild: true }, { cache: false }, { pull: true }])
    assert.is(rule(dockerfile, { options }).kind, "rebuild");
  assert.is(rule(dockerfile, { options: { cache: true } }).kind, "reuse");
  assert.is(rule(withPost, { options: { rebuild: true } }).kind, "off", "no later call takes it either");
  assert.equal(rule(dockerfile, { hasSecrets: true, options: { reuseBuild: true } }), {
    kind: "off",
    reason: "the build gets secrets",
    isNews: true,
  });
});

test("--reuse-build together with an option that builds anew is refused, by the name of that option", () => {
  const pairs = [
    ["--rebuild", { rebuild: true }],
    ["--no-cache", { cache: false }],
    ["--pull", { pull: true }],
  ] as const;
  for (const [flag, options] of pairs) {
    for (const hasSecrets of [false, true]) {
      const error = thrownBy(() => rule(dockerfile, { hasSecrets, options: { ...options, reuseBuild: true } }));
      assert.equal(
        [error?.kind, error?.message, error?.hint],
        [
          "usage",
          `${flag} and --reuse-build contradict each other`,
          `${flag} builds anew, --reuse-build takes an earlier build: leave one of them out`,
        ],
      );
    }
  }
});

function thrownBy(work: () => unknown): CbError | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof CbError) return error;
    throw error;
  }
  return undefined;
}

test("ruleText() says yes or no, with the reason", () => {
  assert.match(ruleText(rule(dockerfile)), /^yes/);
  assert.is(ruleText(rule(dockerfile, { options: { rebuild: true } })), "no: this call builds anew");
  assert.is(ruleText(rule(withPost)), "no: %post may fetch something; --reuse-build turns it on");
});

test("sharedText() fits the state of the earlier build", () => {
  const build = "60c95481-92f3-4491-94d3-14c45bfbc279";
  assert.is(
    sharedText(build, { state: "succeeded", ageMs: 180_000 }),
    "the same build, 60c95481, ended 3m00s ago: its image is used again; --rebuild builds anew",
  );
  assert.match(sharedText(build, { state: "leased", ageMs: 5_000 }), "60c95481, has run for 5s: this call shares it");
  assert.match(sharedText(build, { state: "waiting", ageMs: 5_000 }), "has waited for 5s");
});

test("a call builds anew when the kept image fails, or when the sender of the files left before the lease", () => {
  const lost = new CbError("infrastructure", "lost");
  const builder = { id: "b", host: "h", attempt: 1 };
  const fails = (shared: object | undefined, error: unknown, more = {}) =>
    failedShared(error, { report: { shared, builder: undefined } as never, imagePath: "/x.sif", ...more });
  const ended = { state: "succeeded", ageMs: 1 };
  assert.ok(fails(ended, lost));
  assert.ok(fails(ended, new CbError("usage", "not kept any more")));
  assert.not(fails(ended, lost, { imagePath: "-" }), "a part of it may be on standard output");
  assert.not(fails(ended, new CbError("output", "the disk is full")));
  assert.not(fails(undefined, lost), "a build of its own");
  const waiting = { state: "waiting", ageMs: 1, awaitsContext: true };
  assert.ok(fails(waiting, lost));
  assert.not(fails(waiting, lost, { report: { shared: waiting, builder } }));
  assert.not(fails({ state: "waiting", ageMs: 1 }, lost));
  assert.not(fails(waiting, new CbError("recipe", "its %post failed")));
});

test.run();
