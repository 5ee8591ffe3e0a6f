/** A program that bounds a process by a control group, for a machine that has cgroup version 2. It prints each step. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describeBounds, planBounds } from "../../lib/provider/sandbox/bounds.ts";
import { hostSupport } from "../../lib/provider/sandbox/host-support.ts";
import { exceededMemory, makeGroups, removeGroups } from "../../lib/provider/sandbox/make-groups.ts";

const support = await hostSupport();
const bounds = { memoryMib: 100, cores: 0.5, diskMib: 64 };
console.log(describeBounds(bounds, support));
const { groups, launch } = planBounds("one", bounds, support);
await makeGroups(groups);
const inGroup = `for group in ${launch.groups.join(" ")}; do echo $$ >$group/cgroup.procs || exit; done; `;
try {
  execFileSync("sh", ["-c", `${inGroup}exec perl -e '$x .= "x" x 1048576 for 1 .. 300'`], { stdio: "inherit" });
} catch (error) {
  console.log("ended by", (error as { signal: string }).signal);
}
console.log(await exceededMemory(launch.groups));
execFileSync("sh", ["-c", `cat ${launch.groups.map((group) => `${group}/cpu.max`).join(" ")}`], { stdio: "inherit" });
await removeGroups(launch.groups);
console.log("left:", launch.groups.filter(existsSync).length);
