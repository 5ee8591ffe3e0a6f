import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { HOST_FOLDER } from "../../../lib/provider/sandbox/scripts.ts";

const test = suite<{ folder: string }>("a host's unpack");
const UNPACK = join(HOST_FOLDER, "guest/usr/lib/container-builder/host/unpack");
const ETC = "etc/container-builder";
/** The limit of the script: 1 MiB, before and after decompression. */
const MAX_BYTES = 1_048_576;

interface Member {
  readonly name: string;
  readonly text?: string;
  /** Of the header, ustar(5): 0 file, 1 hard link, 2 symbolic link, 3 character device, 5 directory, 6 FIFO. */
  readonly type?: string;
  readonly target?: string;
}

/** A tar with exactly these names and types, which no tar program would write. */
function tar(members: readonly Member[]): Buffer {
  const blocks = members.flatMap(({ name, text = "", type = "0", target = "" }) => {
    const header = Buffer.alloc(512);
    const size = Buffer.byteLength(text).toString(8).padStart(11, "0");
    header.write(name, 0).toString();
    header.write(`0000777\0${"0000000\0".repeat(2)}${size}\0${"0".repeat(11)}\0        ${type}${target}`, 100);
    header.write("ustar\u000000", 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    const content = Buffer.alloc(Math.ceil(Buffer.byteLength(text) / 512) * 512);
    content.write(text);
    return [header, content];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** Runs the script as root of a user namespace, in which the groups of the table do not exist: `install` is a program that records. */
async function unpack(folder: string, data: Uint8Array): Promise<{ files: string[]; table: string[]; error: string }> {
  const out = await mkdtemp(join(folder, "out-"));
  const bin = join(out, "bin");
  const target = join(out, "target");
  await Promise.all([mkdir(bin), mkdir(target), writeFile(join(out, "data"), data)]);
  const record = `#!/bin/bash\necho "$2 $3 \${5#"${target}/"}" >>"${out}/table"\nexec cp "$4" "$5"\n`;
  await writeFile(join(bin, "install"), record, { mode: 0o755 });
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, TMPDIR: out };
  const error = await promisify(execFile)("bash", [UNPACK, join(out, "data"), target], { env }).then(
    ({ stderr }) => stderr,
    (failure: { stderr: string }) => failure.stderr,
  );
  const table = await readFile(join(out, "table"), "utf8").catch(() => "");
  const entries = await readdir(target, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name));
  return {
    files: files.map((file) => file.slice(target.length + 1)).sort(),
    table: table.split("\n").slice(0, -1),
    error,
  };
}

test.before(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "cb-unpack-"));
});
test.after(({ folder }) => rm(folder, { recursive: true }));

test("unpack gives each file the owner and the mode of the table, and keys are never readable for all", async ({
  folder,
}) => {
  const names = ["nats-server.conf", "queue.yaml", "queue.creds", "guest-signing.seed", "sealing.key", "other"];
  const tls = ["tls/ca.crt", "tls/server.crt", "tls/server.key", "tls/server-key.pem"];
  const members = [...names, ...tls].map((name) => ({ name: `${ETC}/${name}`, text: name }));
  const folders = ["etc/", `${ETC}/`, `${ETC}/tls/`].map((name) => ({ name, type: "5" }));
  const { table, error } = await unpack(folder, gzipSync(tar([...folders, ...members])));
  assert.equal(table, [
    "--group=cb-queue --mode=0640 guest-signing.seed",
    "--group=cb-nats --mode=0640 nats-server.conf",
    "--group=root --mode=0600 other",
    "--group=cb-queue --mode=0640 queue.creds",
    "--group=cb-queue --mode=0640 queue.yaml",
    "--group=cb-queue --mode=0640 sealing.key",
    "--group=root --mode=0644 tls/ca.crt",
    "--group=cb-nats --mode=0640 tls/server-key.pem",
    "--group=root --mode=0644 tls/server.crt",
    "--group=cb-nats --mode=0640 tls/server.key",
  ]);
  assert.is(error, "other has no entry in the table of owners: root alone can read it\n");
});

const good = { name: `${ETC}/queue.yaml`, text: "good" };
const HOSTILE: readonly [condition: string, members: readonly Member[], message: RegExp][] = [
  ["a symbolic link", [{ name: `${ETC}/tls`, type: "2", target: "/etc" }], /neither a regular file/],
  ["a hard link", [{ name: `${ETC}/shadow`, type: "1", target: "/etc/shadow" }], /neither a regular file/],
  ["a device", [{ name: `${ETC}/null`, type: "3" }], /neither a regular file/],
  ["a FIFO", [{ name: `${ETC}/fifo`, type: "6" }], /neither a regular file/],
  ["an absolute name", [{ name: `/${ETC}/x` }], /is not below/],
  ["two dots", [{ name: `${ETC}/../../root/x` }], /is not below/],
  ["two dots at the end", [{ name: `${ETC}/tls/..`, type: "5" }], /is not below/],
  ["a file of another folder", [{ name: "etc/passwd" }], /etc\/passwd is not below/],
  ["a folder of a similar name", [{ name: `${ETC}2/x` }], /is not below/],
  ["a hidden file", [{ name: `${ETC}/.profile` }], /is not below/],
  ["a line break in a name", [{ name: `${ETC}/a\n-rw 0/0 1 a b ${ETC}/b` }], /is not below/],
  ["a blank in a name", [{ name: `${ETC}/a b` }], /is not below/],
  ["the same name twice", [{ name: `${ETC}/x` }, { name: `${ETC}/x` }], /comes twice/],
  ["a file that is a folder too", [{ name: `${ETC}/x` }, { name: `${ETC}/x/y` }], /contradict/],
  ["201 members", Array.from({ length: 200 }, (_, at) => ({ name: `${ETC}/x${at}` })), /more than 200 members/],
];
for (const [condition, members, message] of HOSTILE) {
  test(`unpack refuses ${condition} and writes nothing`, async ({ folder }) => {
    const { files, error } = await unpack(folder, gzipSync(tar([good, ...members])));
    assert.match(error, message);
    assert.equal(files, []);
    assert.is(error.split("\n").length, 2, error);
  });
}

test("unpack refuses user data of more than 1 MiB, packed or unpacked, and accepts files of nearly that size", async ({
  folder,
}) => {
  const bomb = gzipSync(tar([{ name: `${ETC}/x`, text: "0".repeat(MAX_BYTES) }]));
  assert.match((await unpack(folder, bomb)).error, /unpacked it has more than 1048576 bytes/);
  assert.match((await unpack(folder, Buffer.alloc(MAX_BYTES + 1))).error, /it has more than 1048576 bytes/);
  const largest = gzipSync(tar([{ name: `${ETC}/x`, text: "0".repeat(MAX_BYTES - 512 - 1024) }]));
  assert.equal((await unpack(folder, largest)).files, ["x"]);
});

test("unpack refuses user data that are incomplete or no archive", async ({ folder }) => {
  const whole = gzipSync(tar([good]));
  for (const data of [whole.subarray(0, -5), gzipSync("#!/bin/sh\n"), Buffer.from("#cloud-config\n")]) {
    const { files, error } = await unpack(folder, data);
    assert.match(error, /is not a complete (gzip|tar) file/);
    assert.equal(files, []);
  }
});

test.run();
