import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseSecret, readSecrets } from "../../../../../lib/cli/build/secrets/secret-option.ts";
import { type CbError, messageOf } from "../../../../../lib/core/errors.ts";
import { SECRETS_MAX_BYTES } from "../../../../../lib/protocol/secret-messages.ts";
import { rejection } from "../../../../support/rejection.ts";

const test = suite<{ folder: string }>("secret option");

test.before.each((world) => {
  world.folder = mkdtempSync(join(tmpdir(), "cb-secret-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true }));

test("parseSecret() reads docker's forms", () => {
  const environment = { NPM: "x" };
  for (const [text, kind, name] of [
    ["id=NPM", "env", "NPM"],
    ["id=npm", "file", "npm"],
    ["id=NPM,type=file", "file", "NPM"],
    ["id=npm,src=.npmrc", "file", ".npmrc"],
    ["type=file,id=npm,source=.npmrc", "file", ".npmrc"],
    ['id=npm,"src=a,b"', "file", "a,b"],
    ["id=npm,env=NPM", "env", "NPM"],
    ["id=npm,type=env", "env", "npm"],
    ["id=npm,type=env,src=NPM", "env", "NPM"],
    ["id=npm,src=a=b", "file", "a=b"],
  ] as const) {
    const { id, ...source } = parseSecret(text, environment);
    assert.equal({ id: id.toLowerCase(), ...source }, { id: "npm", kind, name }, text);
  }
});

test("parseSecret() refuses what names no secret, and says how to write one", () => {
  for (const [text, message] of [
    ["", "is no part of a secret"],
    ["npm", "is no part of a secret"],
    ["src=x", "its id is not a name"],
    ["id=../x", "its id is not a name"],
    ["id=.x", "its id is not a name"],
    ["id=a,type=ssh", "there is no type ssh"],
    ["id=a,mode=0400", "is no part of a secret"],
    ["id=a,src=b,env=C", "names a file and a variable"],
    ["id=a,type=file,env=C", "names a file and a variable"],
    ['id=a,"src=b', "unclosed quote"],
  ] as const)
    assert.throws(
      () => parseSecret(text, {}),
      (error: CbError) => error.kind === "usage" && error.message.includes(message) && error.hint !== undefined,
      text,
    );
});

test("readSecrets() reads files of any bytes and variables, up to the limit of a build", async ({ folder }) => {
  const path = join(folder, "key");
  writeFileSync(path, Buffer.from([0, 255, 10]));
  const file = { id: "key", kind: "file", name: path } as const;
  const variable = { id: "token", kind: "env", name: "TOKEN" } as const;
  assert.equal(await readSecrets([file, variable], { TOKEN: "t" }), [
    { id: "key", value: "AP8K" },
    { id: "token", value: "dA==" },
  ]);
  writeFileSync(path, Buffer.alloc(SECRETS_MAX_BYTES));
  assert.is((await readSecrets([file], {})).length, 1);
  const { message } = (await rejection(readSecrets([file, variable], { TOKEN: "t" }))) as CbError;
  assert.match(message, `the secrets have more than ${SECRETS_MAX_BYTES} bytes, from token on`);
});

test("readSecrets() names a file or variable that is not there, an id that is given twice, and too many", async ({
  folder,
}) => {
  const missing = { id: "a", kind: "file", name: join(folder, "none") } as const;
  assert.match(messageOf(await rejection(readSecrets([missing], {}))), /--secret id=a: cannot read .*none" \(ENOENT\)/);
  const variable = { id: "a", kind: "env", name: "A" } as const;
  assert.match(messageOf(await rejection(readSecrets([variable], {}))), "you have no environment variable A");
  assert.match(messageOf(await rejection(readSecrets([variable, variable], { A: "" }))), "id=a is given twice");
  const many = Array.from({ length: 33 }, (_, at) => ({ ...variable, id: `a${at}` }));
  assert.match(messageOf(await rejection(readSecrets(many, { A: "" }))), "33 secrets; a build has at most 32");
});

test.run();
