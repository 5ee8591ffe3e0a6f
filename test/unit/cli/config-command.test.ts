import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, withoutPassword } from "../../../lib/cli/config-command.ts";

const test = suite("container-builder config");

const variable = (value: string) => ({ value, from: { kind: "variable", name: "NATS_URL" } }) as const;

test("withoutPassword() hides a login in each server of the address", () => {
  const { url } = withoutPassword({ url: variable("tls://ada:secret@one:1,tls://token@two:2,tls://three:3") });
  assert.is(url?.value, "tls://***@one:1,tls://***@two:2,tls://three:3");
});

test("configText() has a row for each setting, with its source or its default, and the files", () => {
  const text = configText({ url: variable("tls://one:1") }, [
    { path: "/a/config.yaml", exists: false },
    { path: "/b/config.yaml", exists: true },
  ]);
  assert.match(text, /^url +tls:\/\/one:1 +NATS_URL$/m);
  assert.match(text, /^creds +- +not set$/m);
  assert.match(text, /^ca +the CAs of the system +default$/m);
  assert.match(text, " /a/config.yaml  (absent)\n  /b/config.yaml\n");
});

test("configText() puts the sources below the values where the terminal is too narrow for a table", () => {
  const path = `/home/ada/${"long/".repeat(10)}user.creds`;
  const found = {
    url: variable("tls://one:1"),
    creds: { value: path, from: { kind: "file", name: "/c.yaml" } },
  } as const;
  const [wide, narrow] = [200, 80].map((columns) => configText(found, [], columns));
  assert.match(wide ?? "", /^creds .*user\.creds +\/c\.yaml$/m);
  assert.match(
    narrow ?? "",
    `url          tls://one:1\n             from NATS_URL\ncreds        ${path}\n             from /c.yaml\n`,
  );
  assert.match(narrow ?? "", "reuseBuilds  dockerfiles\n             by default\n");
  assert.match(narrow ?? "", "ca           the CAs of the system\n             by default\n");
});

test.run();
