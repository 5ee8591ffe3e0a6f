/**
 * Where this program keeps its files: the folders of the XDG Base Directory Specification 0.8, each with
 * `container-builder` under it. Nothing is created here; who writes into a folder makes it.
 */
import { homedir, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";

const NAME = "container-builder";

export interface Folders {
  /** Settings of the user, kept and backed up: `config.yaml`, credentials. */
  readonly config: string;
  /** What must outlive a restart and belongs to this machine: records, logs, keys of the local stack. */
  readonly state: string;
  /** What can be made again: the builder's root file system, tools, base images. */
  readonly cache: string;
  /** Settings of the site, nearest first: what an operator gives all users of a machine. */
  readonly siteConfig: readonly string[];
  /** What the local stack leaves for its clients, a `config.yaml` too: there while it is up. */
  readonly local: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The folders for this environment. A relative path in an XDG variable is passed over, as the specification (section 3)
 * asks.
 */
export function folders(env: Environment = process.env): Folders {
  const home = env.HOME || homedir() || userInfo().homedir;
  const base = (variable: string, fallback: string): string => {
    const value = env[variable];
    return value !== undefined && isAbsolute(value) ? value : join(home, fallback);
  };
  const state = join(base("XDG_STATE_HOME", ".local/state"), NAME);
  return {
    config: join(base("XDG_CONFIG_HOME", ".config"), NAME),
    siteConfig: siteFolders(env.XDG_CONFIG_DIRS),
    local: join(state, "local", "client"),
    state,
    cache: join(base("XDG_CACHE_HOME", ".cache"), NAME),
  };
}

/** XDG_CONFIG_DIRS, in order of preference, or /etc/xdg (section 3). */
function siteFolders(value: string | undefined): string[] {
  const listed = (value ?? "").split(":").filter((path) => isAbsolute(path));
  return (listed.length > 0 ? listed : ["/etc/xdg"]).map((path) => join(path, NAME));
}
