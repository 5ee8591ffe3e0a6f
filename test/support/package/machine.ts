/** A Debian machine with its own systemd, in namespaces of this host. It ends with the process that started it. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { until } from "../until.ts";
import { BOOT_SCRIPT } from "./trees.ts";

/** A boot takes half a second on an idle host. */
const BOOT_LIMIT_MS = 120_000;

export class Machine {
  readonly #unshare: ChildProcess;
  readonly #init: number;
  #network: ChildProcess | undefined;

  private constructor(unshare: ChildProcess, init: number) {
    this.#unshare = unshare;
    this.#init = init;
  }

  /** Boots the tree. Its changes are in memory. It has a loopback only, see connect(). */
  static async boot(tree: string): Promise<Machine> {
    const namespaces = ["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup"];
    const argv = ["--fork", "--kill-child", ...namespaces, "bash", BOOT_SCRIPT, tree];
    const child = spawn("unshare", argv, { stdio: "ignore" });
    const children = `/proc/${child.pid}/task/${child.pid}/children`;
    const init = await until("the first process of the machine", async () => {
      const pid = Number.parseInt(await readFile(children, "utf8"), 10);
      return pid > 0 && (await readFile(`/proc/${pid}/comm`, "utf8")) === "systemd\n" ? pid : undefined;
    });
    const machine = new Machine(child, init);
    const isUp = () =>
      machine.run("systemctl is-system-running || true").then((state) => /running|degraded/.test(state));
    await until("the machine has booted", () => isUp().catch(() => false), BOOT_LIMIT_MS);
    return machine;
  }

  /** Lets the machine connect to other hosts by user-mode networking (slirp4netns), as a sandbox does. */
  async connect(): Promise<void> {
    // Other addresses than those in a sandbox, which runs slirp4netns with its default, 10.0.2.0/24.
    const options = ["--configure", "--mtu=65520", "--disable-host-loopback", "--cidr=10.0.9.0/24"];
    this.#network = spawn("slirp4netns", [...options, String(this.#init), "tap0"], { stdio: "ignore" });
    await writeFile(this.path("/etc/resolv.conf"), "nameserver 10.0.9.3\n");
    const isUp = () => this.run("ip -o route show default").then((route) => route !== "");
    await until("the machine has a default route", isUp);
  }

  /** A path of the machine, as this host reaches it. */
  path(path: string): string {
    return `/proc/${this.#init}/root${path}`;
  }

  /** Runs a shell command as root. Rejects when it fails. */
  async run(command: string): Promise<string> {
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", LC_ALL: "C.UTF-8" };
    const argv = ["--target", String(this.#init), "--all", "sh", "-c", command];
    return (await promisify(execFile)("nsenter", argv, { env })).stdout.trim();
  }

  /** Resolves to the property of a unit as soon as it has the value. */
  async reaches(unit: string, property: string, value: string): Promise<void> {
    const show = () => this.run(`systemctl show --value -p ${property} ${unit}`);
    await until(`${unit}: ${property} is ${value}`, async () => (await show()) === value);
  }

  async stop(): Promise<void> {
    this.#network?.kill("SIGKILL");
    const ended = once(this.#unshare, "exit");
    this.#unshare.kill("SIGKILL");
    await ended;
  }
}
