/** The running testbed, as tests use it: enters its network, and makes its services and machines fail. */

import { type CommandResult, runCommand } from "../../../infra/tools/setup/run-command.ts";
import { CbError } from "../../../lib/core/errors.ts";

export type Service = "keystone" | "glance" | "placement" | "neutron" | "nova-api" | "nova-compute";

/** `kill` sends SIGKILL, `pause` SIGSTOP: a paused service accepts connections and does not reply. */
export type ServiceAction = "start" | "kill" | "pause" | "resume";

/** A fault for the servers that match `name`, a regular expression. The first matching rule applies. */
export interface MachineFault {
  readonly name: string;
  readonly spawnDelayS?: number;
  /** The message of nova's fault when the spawn fails. */
  readonly spawnFail?: string;
  /** True for a failure after which nova does not retry on another host. */
  readonly abort?: boolean;
  readonly destroyDelayS?: number;
  readonly destroyFail?: string;
}

/** The environment variable with which the test runner passes the pid of the testbed to a test file. */
export const TESTBED_PID = "CB_TESTBED_PID";

const FAULTS_FILE = "/opt/testbed/var/faults.json";
const NOVA_CONF = "/etc/nova/nova.conf";
const INSIDE = ["HOME=/root", "LANG=C.UTF-8", "PATH=/opt/testbed/bin:/usr/sbin:/usr/bin:/sbin:/bin"];

export class Box {
  /** The host's pid of the first process of the testbed. */
  readonly pid: number;

  constructor(pid: number) {
    this.pid = pid;
  }

  /** The testbed that the test runner has started. Throws CbError "usage" outside `npm run test:openstack`. */
  static ofTests(env: NodeJS.ProcessEnv = process.env): Box {
    const pid = Number(env[TESTBED_PID]);
    if (Number.isSafeInteger(pid) && pid > 0) return new Box(pid);
    throw new CbError("usage", `${TESTBED_PID} is not the pid of a testbed`, {
      hint: "run it with: npm run test:openstack",
    });
  }

  /** The prefix that runs a host's command in the testbed's network, where OpenStack listens on 127.0.0.1. */
  networkPrefix(): readonly [string, ...string[]] {
    return ["nsenter", `--target=${this.pid}`, "--net", "--"];
  }

  /** Resolves when the signal is sent or the service started; it replies some seconds later. Throws CbError "infrastructure". */
  async service(action: ServiceAction, ...services: readonly Service[]): Promise<void> {
    await this.#run(["svc", action, ...services]);
  }

  /** Replaces all rules, with effect on the next spawn or destroy of any machine. An empty list removes the faults. */
  async setFaults(rules: readonly MachineFault[]): Promise<void> {
    const text = JSON.stringify(
      rules.map((rule) => ({
        name: rule.name,
        spawn_delay: rule.spawnDelayS ?? 0,
        spawn_fail: rule.spawnFail ?? "",
        abort: rule.abort ?? false,
        destroy_delay: rule.destroyDelayS ?? 0,
        destroy_fail: rule.destroyFail ?? "",
      })),
    );
    // The driver may read the file at any time, so it is replaced by a rename.
    const write = 'printf %s "$1" >"$2.new"; mv "$2.new" "$2"';
    await this.#run(["sh", "-ec", write, "sh", text, FAULTS_FILE]);
  }

  /** Sets how long nova keeps deleted servers, 0 to delete them at once. Resolves when nova has been restarted with it. */
  async setReclaimInterval(seconds: number): Promise<void> {
    const option = "reclaim_instance_interval";
    await this.#run(["sed", "-i", `/^${option} /d; 0,/^\\[DEFAULT\\]$/s//&\\n${option} = ${seconds}/`, NOVA_CONF]);
    await this.service("kill", "nova-api", "nova-compute");
    await this.service("start", "nova-api", "nova-compute");
  }

  async #run(command: readonly string[]): Promise<CommandResult> {
    const enter = [`--target=${this.pid}`, "--mount", "--pid", "--net", "--root", "--wd", "--", "env", "-i", ...INSIDE];
    const outcome = await runCommand(["nsenter", ...enter, ...command]);
    if (outcome.code === 0) return outcome;
    throw new CbError(
      "infrastructure",
      `a command in the testbed failed: ${command.join(" ")}: ${outcome.output.trim()}`,
    );
  }
}
