/**
 * A benchmark, not a test: compares objects with scp, a build from end to end with two scp, and log lines with `ssh host cat`, on one
 * machine. It needs sshd (openssh-server), which it starts on a free port. The ratios are comparable between machines, the absolute
 * numbers are not. `npx tsx test/bench/against-scp.ts [MiB [LINES]]`
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { appendFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { userInfo } from "node:os";
import { clientConfig } from "../../lib/config/client-config.ts";
import { connectNats } from "../../lib/nats/connection.ts";
import { readCreds } from "../../lib/nats/credentials/creds.ts";
import type { JetStreamAccess } from "../../lib/nats/jetstream/api.ts";
import { getObject } from "../../lib/transfer/get.ts";
import { putFile } from "../../lib/transfer/put.ts";
import { receiveFile } from "../../lib/transfer/receive-file.ts";
import { recipe, uncompressed } from "../support/recipe/recipes.ts";
import { Stack } from "../support/stack.ts";
import { until } from "../support/until.ts";

const MIB = 1024 ** 2;
const sizeMib = Number(process.argv[2] ?? 1024);
const lines = Number(process.argv[3] ?? 2_000_000);

interface Ssh {
  /** Options for ssh and scp. */
  readonly options: readonly string[];
  stop(): void;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  const address = await until("a port", () => server.address() ?? undefined);
  server.close();
  return typeof address === "string" ? 0 : address.port;
}

/** Starts an sshd with new keys on loopback, which accepts only the user key created here. */
async function startSshd(folder: string): Promise<Ssh> {
  mkdirSync(folder, { mode: 0o700 });
  for (const name of ["host", "user"])
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${folder}/${name}`]);
  execFileSync("cp", [`${folder}/user.pub`, `${folder}/authorized_keys`]);
  const port = await freePort();
  const config = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${folder}/host`,
    `AuthorizedKeysFile ${folder}/authorized_keys`,
    `PidFile ${folder}/sshd.pid`,
    "StrictModes no",
    "UsePAM no",
    "PermitRootLogin prohibit-password",
    "Subsystem sftp internal-sftp",
  ];
  writeFileSync(`${folder}/sshd_config`, `${config.join("\n")}\n`);
  // sshd requires this folder, which an init system creates; a container has none.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const server: ChildProcess = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", `${folder}/sshd_config`], {
    stdio: "ignore",
  });
  await until("sshd accepts connections", () => accepts(port));
  const settings = [
    `Port=${port}`,
    `IdentityFile=${folder}/user`,
    "IdentitiesOnly=yes",
    "StrictHostKeyChecking=no",
    `UserKnownHostsFile=${folder}/known`,
    "LogLevel=ERROR",
  ];
  return { options: settings.flatMap((setting) => ["-o", setting]), stop: () => void server.kill() };
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });

async function secondsOf(work: () => unknown): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}

function row(name: string, amount: number, unit: string, seconds: number, beside?: number): void {
  const ratio = beside === undefined ? "" : `${(beside / seconds).toFixed(2)} of ssh`;
  console.log(
    `${name.padEnd(44)} ${Math.round(amount / seconds)
      .toLocaleString("en")
      .padStart(10)} ${unit.padEnd(8)} ${ratio}`,
  );
}

/** Runs it to its end, its output read and dropped; throws when it fails. */
function drain(child: ChildProcess): Promise<void> {
  child.stdout?.resume();
  child.stderr?.resume();
  return new Promise((resolve, reject) => {
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`it ended with ${code}`))));
  });
}

async function objects(stack: Stack, ssh: Ssh): Promise<number> {
  const { username } = userInfo();
  const file = stack.path("large.bin");
  const scpSeconds = await secondsOf(() =>
    execFileSync("scp", [...ssh.options, file, `${username}@127.0.0.1:${stack.path("copy")}`]),
  );
  row("scp", sizeMib, "MiB/s", scpSeconds);
  const address = clientConfig({ env: {}, folders: [], natsFolder: "", localFolder: stack.statePath("client") });
  const credential = await readCreds(stack.statePath("installation", "creds", "queue.creds"), Date.now());
  const nc = await connectNats({ address, credential, name: "bench" });
  try {
    const bucket = "bench";
    await nc.jetstream().views.os(bucket);
    const js: JetStreamAccess = { nc, apiPrefix: "$JS.API", inboxPrefix: `_INBOX.${credential.key.publicKey}` };
    row(
      "put (TLS, SHA-256, on the disk of NATS)",
      sizeMib,
      "MiB/s",
      await secondsOf(() => putFile(js, file, { bucket, name: "x" })),
      scpSeconds,
    );
    const target = { path: stack.path("copy"), force: true };
    const getSeconds = await secondsOf(async () => {
      const received = await receiveFile(getObject(js, { bucket, name: "x" }), target);
      await received.place();
    });
    row("get (TLS, SHA-256, fsync)", sizeMib, "MiB/s", getSeconds, scpSeconds);
    await (await nc.jetstream().views.os(bucket)).destroy();
  } finally {
    await nc.close();
  }
  return scpSeconds;
}

/** The image is a copy of the context, so the upload has the size of the download. */
async function endToEnd(stack: Stack, scpSeconds: number): Promise<void> {
  const path = uncompressed(recipe(stack, "large", "    true"));
  appendFileSync(path, "\n%files\n    large.bin /large.bin\n");
  const client = stack.spawn("container-builder", [stack.path("large.sif"), path]);
  let output = "";
  client.stderr.on("data", (text: Buffer) => {
    output += text.toString();
  });
  const seconds = await secondsOf(() => drain(client));
  row(
    "a build: context up, packed, image down",
    sizeMib + statSync(stack.path("large.sif")).size / MIB,
    "MiB/s",
    seconds,
    2 * scpSeconds,
  );
  for (const line of output.split("\n").filter((one) => /: Completed, .*\/s$/.test(one)))
    console.log(`  ${line.replace(stack.folder, "")}`);
}

/** Measures from the arrival of the first line to that of the last, without the start of the builder. */
async function logLines(stack: Stack, ssh: Ssh): Promise<void> {
  const text = stack.path("lines.txt");
  execFileSync("sh", ["-c", `seq -f 'line %012.0f of some length, as compilers print them' 1 ${lines} > ${text}`]);
  const cat = ["ssh", ...ssh.options, `${userInfo().username}@127.0.0.1`, `cat ${text}`] as const;
  const [file, ...args] = cat;
  const sshSeconds = await secondsOf(() => drain(spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] })));
  row("lines, ssh host cat", lines, "lines/s", sshSeconds);
  const path = recipe(stack, "lines", "    set +x\n    echo it has begun; cat /lines.txt; echo it has ended");
  appendFileSync(path, "\n%files\n    lines.txt /lines.txt\n");
  const client = stack.spawn("container-builder", [stack.path("lines.sif"), uncompressed(path)]);
  const marks = { begunMs: 0, endedMs: 0, tail: "" };
  client.stdout.on("data", (chunk: Buffer) => {
    const text = marks.tail + chunk.toString("latin1");
    if (marks.begunMs === 0 && text.includes("it has begun")) marks.begunMs = performance.now();
    if (marks.endedMs === 0 && text.includes("it has ended")) marks.endedMs = performance.now();
    marks.tail = text.slice(-16);
  });
  await drain(client);
  row("lines, printed by a build", lines, "lines/s", (marks.endedMs - marks.begunMs) / 1000, sshSeconds);
}

const stack = await Stack.start();
let ssh: Ssh | undefined;
try {
  ssh = await startSshd(stack.path("ssh"));
  execFileSync("dd", ["if=/dev/urandom", `of=${stack.path("large.bin")}`, "bs=1M", `count=${sizeMib}`], {
    stdio: "ignore",
  });
  const scpSeconds = await objects(stack, ssh);
  await endToEnd(stack, scpSeconds);
  await logLines(stack, ssh);
} finally {
  ssh?.stop();
  await stack.stop();
}
