/** The running testbed as tests reach it: its network, and its services, which can be made to fail. */

import { type CommandResult, runCommand } from "../../../infra/tools/setup/run-command.ts";
import { CbError } from "../../../lib/core/errors.ts";

export type Service = "keystone" | "glance" | "placement" | "neutron" | "nova-api" | "nova-compute";

/** `kill` is SIGKILL, `pause` SIGSTOP: a paused service takes connections and answers nothing. */
export type ServiceAction = "start" | "kill" | "pause" | "resume";

/** The first rule whose `name`, a regular expression, is found in a server's name holds for it. */
export interface MachineFault {
  readonly name: string;
  readonly spawnDelayS?: number;
  /** nova's words for why it is in ERROR. */
  readonly spawnFail?: string;
  /** It fails in the way that nova does not try on another host. */
  readonly abort?: boolean;
  readonly destroyDelayS?: number;
  readonly destroyFail?: string;
}

/** The variable by which the test runner tells a test file which testbed is its. */
export const TESTBED_PID = "CB_TESTBED_PID";

const FAULTS_FILE = "/opt/testbed/var/faults.json";
const NOVA_CONF = "/etc/nova/nova.conf";
const INSIDE = ["HOME=/root", "LANG=C.UTF-8", "PATH=/opt/testbed/bin:/usr/sbin:/usr/bin:/sbin:/bin"];

export class Box {
  /** Of its first process, as the host counts. */
  readonly pid: number;

  constructor(pid: number) {
    this.pid = pid;
  }

  /** The box that the runner has started. Throws CbError "usage" outside `npm run test:openstack`. */
  static ofTests(env: NodeJS.ProcessEnv = process.env): Box {
    const pid = Number(env[TESTBED_PID]);
    if (Number.isSafeInteger(pid) && pid > 0) return new Box(pid);
    throw new CbError("usage", `${TESTBED_PID} names no testbed`, { hint: "run it with: npm run test:openstack" });
  }

  /** Words before a command of the host that put it into the testbed's network, where 127.0.0.1 is OpenStack's. */
  networkPrefix(): readonly [string, ...string[]] {
    return ["nsenter", `--target=${this.pid}`, "--net", "--"];
  }

  /** Resolves when it is done; a service that is started answers some seconds later. Throws CbError "infrastructure". */
  async service(action: ServiceAction, ...services: readonly Service[]): Promise<void> {
    await this.#run(["svc", action, ...services]);
  }

  /** Holds from now on, for machines on their way too; no rules, no faults. */
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
    // The driver may read it at any time, so it is exchanged whole.
    const write = 'printf %s "$1" >"$2.new"; mv "$2.new" "$2"';
    await this.#run(["sh", "-ec", write, "sh", text, FAULTS_FILE]);
  }

  /** How long nova keeps what is deleted, 0 for not at all; resolves when its services have been started anew with it. */
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
    throw new CbError("infrastructure", `in the testbed: ${command.join(" ")}: ${outcome.output.trim()}`);
  }
}
