/** The messages to systemd, sent by the real systemd-notify to a real unix datagram socket. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createLogger } from "../../../lib/core/log.ts";
import { serviceManager } from "../../../lib/core/notify.ts";
import { Recorder } from "../../support/recorder.ts";

const test = suite<{ folder: string; socket: string; receiver: ChildProcess; received: Recorder<string> }>("notify");
const log = createLogger({ name: "notify", level: "silent" });

/** Prints each datagram as one line. Node has no unix datagram sockets; perl is in every Debian. */
const RECEIVER = `use Socket; $| = 1; socket(S, AF_UNIX, SOCK_DGRAM, 0); bind(S, pack_sockaddr_un($ARGV[0])) or die;
print "bound\\n"; while (defined recv(S, $m, 4096, 0)) { $m =~ s/\\n/|/g; print "$m\\n" unless $m =~ /BARRIER/ }`;

test.before.each(async (world) => {
  world.folder = mkdtempSync(join(tmpdir(), "cb-notify-"));
  world.socket = join(world.folder, "socket");
  world.receiver = spawn("perl", ["-e", RECEIVER, world.socket], { stdio: ["ignore", "pipe", "inherit"] });
  world.received = new Recorder<string>();
  if (world.receiver.stdout === null) throw new Error("the receiver has no output");
  createInterface(world.receiver.stdout).on("line", world.received.add);
  await world.received.any((line) => line === "bound");
});
test.after.each(async ({ folder, receiver }) => {
  const ended = once(receiver, "exit");
  receiver.kill();
  await ended;
  rmSync(folder, { recursive: true, force: true });
});

test("systemd gets READY with a status, each changed status once and on one line, and STOPPING", async (world) => {
  const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, NOTIFY_SOCKET: world.socket };
  const manager = serviceManager({ env, pid: process.pid, log });
  assert.is(env.NOTIFY_SOCKET, undefined, "a builder must not inherit the socket");
  await manager.ready("starts");
  await manager.status("starts");
  await manager.status("1 running\nREADY=0");
  await manager.stopping();
  await world.received.any((line) => line === "STOPPING=1");
  assert.equal(world.received.all.slice(1), ["READY=1|STATUS=starts", "STATUS=1 running READY=0", "STOPPING=1"]);
});

test("with WATCHDOG_USEC for this process the watchdog is fed until the service stops; another process's is not", async (world) => {
  const base = { PATH: process.env.PATH, NOTIFY_SOCKET: world.socket, WATCHDOG_USEC: "100000" };
  const other = serviceManager({ env: { ...base, WATCHDOG_PID: "1" }, pid: process.pid, log });
  await other.status("other");
  const own = serviceManager({ env: { ...base, WATCHDOG_PID: String(process.pid) }, pid: process.pid, log });
  // The timer does not keep a process alive; here the receiver's output does.
  await world.received.next((line) => line === "WATCHDOG=1");
  await world.received.next((line) => line === "WATCHDOG=1");
  await own.stopping();
});

test("without a socket, and with a socket that is gone, nothing is thrown", async (world) => {
  await serviceManager({ env: {}, pid: 1, log }).ready("no socket");
  const env = { PATH: process.env.PATH, NOTIFY_SOCKET: join(world.folder, "gone") };
  await serviceManager({ env, pid: 1, log }).ready("gone");
});

test.run();
