import { homedir } from "node:os";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { folders } from "../../../lib/config/folders.ts";

const test = suite("config/folders");

test("folders() uses the default folders in the home folder without XDG variables", () => {
  assert.equal(folders({ HOME: "/home/ada" }), {
    config: "/home/ada/.config/container-builder",
    state: "/home/ada/.local/state/container-builder",
    cache: "/home/ada/.cache/container-builder",
    siteConfig: ["/etc/xdg/container-builder"],
    nats: "/home/ada/.config/nats",
    local: "/home/ada/.local/state/container-builder/local/client",
  });
});

test("folders() honours each XDG variable", () => {
  const env = {
    HOME: "/home/ada",
    XDG_CONFIG_HOME: "/c",
    XDG_STATE_HOME: "/s",
    XDG_CACHE_HOME: "/k",
    XDG_CONFIG_DIRS: "/etc/site:relative:/etc/xdg",
  };
  assert.equal(folders(env), {
    config: "/c/container-builder",
    state: "/s/container-builder",
    cache: "/k/container-builder",
    siteConfig: ["/etc/site/container-builder", "/etc/xdg/container-builder"],
    nats: "/c/nats",
    local: "/s/container-builder/local/client",
  });
});

test("folders() ignores relative and empty XDG variables", () => {
  const env = { HOME: "/home/ada", XDG_CACHE_HOME: "cache", XDG_STATE_HOME: "" };
  assert.is(folders(env).cache, "/home/ada/.cache/container-builder");
  assert.is(folders(env).state, "/home/ada/.local/state/container-builder");
});

test("folders() takes the home folder from the system if HOME is unset or empty", () => {
  for (const env of [{}, { HOME: "" }]) {
    assert.ok(folders(env).config.startsWith("/"));
    assert.ok(folders(env).config.endsWith(".config/container-builder"));
  }
  assert.ok(folders({}).config.startsWith(homedir()));
});

test.run();
