/** Installs what the test of a deployment needs from other hosts. The network of its testbed reaches none. */
import { ensureTools } from "../../../infra/tools/setup/ensure-tools.ts";
import { debianTree } from "../package/trees.ts";
import { installGitlabCiLocal } from "./gitlab-ci-local.ts";

/** A login node with one of the two module systems; their packages exclude each other. */
export const LOGIN_NODES = [
  { system: "environment-modules", release: "bookworm", init: "/etc/profile.d/modules.sh" },
  { system: "lmod", release: "trixie", init: "/etc/profile.d/lmod.sh" },
] as const;

export type LoginNode = (typeof LOGIN_NODES)[number];

export const treeOf = ({ release, system }: LoginNode): Promise<string> => debianTree(release, [system, "procps"]);

export async function prepareDeployment(onStep: (line: string) => void): Promise<void> {
  await ensureTools({ need: ["patchelf"], onStep });
  await installGitlabCiLocal();
  for (const node of LOGIN_NODES) await treeOf(node);
}
