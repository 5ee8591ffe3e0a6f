import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseChallenges } from "../../../lib/oci/challenge.ts";

const test = suite("challenge");
const parsed = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test("parseChallenges() reads realm, service and scope, quoted with commas or bare", () => {
  assert.equal(
    parsed('Bearer realm="https://auth.example/token",service=reg.example,scope="repository:a/b:pull,push"'),
    [["bearer", { realm: "https://auth.example/token", service: "reg.example", scope: "repository:a/b:pull,push" }]],
  );
});

test("parseChallenges() separates several challenges", () => {
  assert.equal(parsed('Negotiate, BASIC realm="a \\"b\\"" , Bearer Realm=c, x = "y"'), [
    ["negotiate", {}],
    ["basic", { realm: 'a "b"' }],
    ["bearer", { realm: "c", x: "y" }],
  ]);
});

test("parseChallenges() stops at a syntax error, and returns none for an empty header", () => {
  assert.equal(parsed(""), []);
  assert.equal(parsed('Basic "a'), [["basic", {}]]);
});

test.run();
