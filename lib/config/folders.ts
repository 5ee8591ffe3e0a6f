/**
 * The folders of this project's files, after the XDG Base Directory Specification 0.8, each with `container-builder` under it.
 * This module creates no folder; the code that writes into one does.
 */
import { homedir, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";

const NAME = "container-builder";

export interface Folders {
  /** Settings of the user: `config.yaml`, credentials. To be backed up. */
  readonly config: string;
  /** Files that must survive a restart and belong to this machine: records, logs, keys of the local stack. */
  readonly state: string;
  /** Files that can be recreated: the builder's root file system, tools, base images. */
  readonly cache: string;
  /** Settings of the nats CLI, with its contexts. */
  readonly nats: string;
  /** Settings that an operator gives to all users of the machine, in order of precedence. */
  readonly siteConfig: readonly string[];
  /** The local stack's settings for its clients, with a `config.yaml`. It exists while the stack is up. */
  readonly local: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** A relative path in an XDG variable is ignored, as section 3 of the specification requires. */
export function folders(env: Environment = process.env): Folders {
  const home = env.HOME || homedir() || userInfo().homedir;
  const base = (variable: string, fallback: string): string => {
    const value = env[variable];
    return value !== undefined && isAbsolute(value) ? value : join(home, fallback);
  };
  const state = join(base("XDG_STATE_HOME", ".local/state"), NAME);
  const config = base("XDG_CONFIG_HOME", ".config");
  return {
    config: join(config, NAME),
    nats: join(config, "nats"),
    siteConfig: siteFolders(env.XDG_CONFIG_DIRS),
    local: join(state, "local", "client"),
    state,
    cache: join(base("XDG_CACHE_HOME", ".cache"), NAME),
  };
}

/** XDG_CONFIG_DIRS in its order, which is the order of precedence, or /etc/xdg (section 3). */
function siteFolders(value: string | undefined): string[] {
  const listed = (value ?? "").split(":").filter((path) => isAbsolute(path));
  return (listed.length > 0 ? listed : ["/etc/xdg"]).map((path) => join(path, NAME));
}
