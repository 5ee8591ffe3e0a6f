/** The archive preserves names, owners, modes, times, links and holes. */
// slow: many runs of tar on trees of many files.
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { packContext } from "../../../lib/recipe/context/pack.ts";
import { archiveOf, childTars } from "../../support/recipe/archives.ts";
import { ContextTree, copyInput, fileInput } from "../../support/recipe/context-tree.ts";
import { fillAtRandom, listing } from "../../support/recipe/random-tree.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ tree: ContextTree }>("context archive");

test.before.each((world) => {
  world.tree = new ContextTree();
});
test.after.each(({ tree }) => tree.remove());

test("owners, modes and times are preserved, also of folders and links", async ({ tree }) => {
  const file = tree.file("a/file");
  chownSync(file, 1234, 2_200_000);
  chmodSync(file, 0o6751);
  chmodSync(tree.file("a/closed"), 0o000);
  chmodSync(join(tree.directory, "a"), 0o1770);
  const link = tree.link("a/link", "file");
  execFileSync("chown", ["-h", "77:78", link]);
  execFileSync("touch", ["-h", "-d", "2001-02-03 04:05:06.123456789 UTC", link, file]);
  execFileSync("touch", ["-d", "1960-01-01 00:00:00.5 UTC", join(tree.directory, "a")]);
  for (const path of ["b/c/x", "b/y"]) chmodSync(join(tree.file(path), ".."), 0o711);
  const context = await tree.found({ whole: true });
  assert.is(context.highestId, 2_200_000);
  await tree.send(context);
  assert.equal(listing(tree.mirrored(".")), listing(tree.directory));
  assert.match(listing(tree.mirrored("a/file")).join(), "1234 2200000 6751 2001-02-03 04:05:06.123456789");
});

test("unusual names are preserved", async ({ tree }) => {
  const long = "l".repeat(255);
  const names = [
    "-dash",
    " blank ",
    "new\nline",
    "back\\slash",
    "\\n",
    "quote'\"",
    "*",
    "[a]",
    "umlaut ä",
    long,
    "--help",
  ];
  for (const name of names) tree.file(`sub/${name}`, name);
  tree.file(`sub/${"d".repeat(90)}/${"e".repeat(90)}/${"f".repeat(90)}/${long}`, "deep");
  const odd = Buffer.concat([Buffer.from(`${tree.directory}/sub/`), Buffer.from([0xff, 0xfe, 0x80])]);
  writeFileSync(odd, "no UTF-8");
  for (const inputs of [[fileInput("sub")], [copyInput("sub")]]) {
    const backend = inputs[0]?.links === "keep" ? "docker" : "singularity";
    await tree.send(await tree.found({ backend, inputs }));
    assert.equal(listing(tree.mirrored("sub")), listing(join(tree.directory, "sub")));
    rmSync(tree.root, { recursive: true });
    mkdirSync(tree.root);
  }
});

test("hard links stay hard links and their data is sent once", async ({ tree }) => {
  const file = tree.file("sub/one", "x".repeat(200_000));
  linkSync(file, join(tree.directory, "sub/two"));
  linkSync(file, join(tree.directory, "sub/three"));
  const context = await tree.found({ backend: "docker", inputs: [copyInput("sub")] });
  assert.equal([context.files, context.bytes], [3, 200_000]);
  assert.ok(context.maxArchiveBytes < 220_000);
  const bytes = await tree.send(context);
  assert.ok(bytes <= context.maxArchiveBytes);
  assert.is(statSync(tree.mirrored("sub/two")).ino, statSync(tree.mirrored("sub/one")).ino);
});

test("a file with holes needs only the size of its data, in the archive and on disk", async ({ tree }) => {
  const path = tree.file("sparse", "");
  truncateSync(path, 1024 ** 3);
  const file = openSync(path, "r+");
  for (let at = 0; at < 16; at++) writeSync(file, Buffer.alloc(4096, 1), 0, 4096, at * 50_000_000);
  closeSync(file);
  const context = await tree.found({ inputs: [fileInput("sparse")] });
  const bytes = await tree.send(context);
  assert.ok(bytes <= context.maxArchiveBytes, `${bytes} > ${context.maxArchiveBytes}`);
  assert.ok(context.maxArchiveBytes < 200_000, `${context.maxArchiveBytes}`);
  const received = statSync(tree.mirrored("sparse"));
  assert.is(received.size, 1024 ** 3);
  assert.ok(received.blocks * 512 < 1024 ** 2, `${received.blocks} blocks`);
  execFileSync("cmp", [path, tree.mirrored("sparse")]);
});

test("maxArchiveBytes covers maps of thousands of holes and long names of hard links", async ({ tree }) => {
  const sparse = openSync(tree.file("holes/file", ""), "w");
  for (let at = 0; at < 3000; at++) writeSync(sparse, "x".repeat(4096), at * 8192 + 10_000_000_000);
  closeSync(sparse);
  const deep = Array.from({ length: 4 }, () => "d".repeat(230)).join("/");
  const first = tree.file(`links/${deep}/first`, "");
  mkdirSync(join(tree.directory, "more"));
  for (let index = 0; index < 200; index++) linkSync(first, join(tree.directory, `more/${index}`));
  for (const path of ["holes", "links"]) {
    const context = await tree.found({ inputs: [fileInput(path), ...(path === "links" ? [fileInput("more")] : [])] });
    let bytes = 0;
    for await (const chunk of packContext(context)) bytes += chunk.length;
    assert.ok(bytes <= context.maxArchiveBytes && bytes * 1.6 > context.maxArchiveBytes, `${path}: ${bytes}`);
  }
});

test("on a file system that does not report the blocks of a file, its full length is reserved", async ({ tree }) => {
  const layers = ["lower", "upper", "work", "merged"].map((name) => join(tree.top, name));
  for (const layer of layers) mkdirSync(layer);
  const [lower, upper, work, merged = ""] = layers;
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  execFileSync("mount", ["-t", "overlay", "-o", options, "overlay", merged]);
  try {
    writeFileSync(join(merged, "sparse"), "");
    truncateSync(join(merged, "sparse"), 1024 ** 2);
    const context = await tree.found({ directory: merged, whole: true });
    assert.ok(context.maxArchiveBytes > 1024 ** 2);
    assert.ok((await tree.send(context)) < 32 * 1024);
  } finally {
    execFileSync("umount", [merged]);
  }
});

test("an empty directory is created, also if all files are outside it", async ({ tree }) => {
  tree.file("../other/x");
  await tree.send(await tree.found({ inputs: [fileInput("../other/x")] }));
  assert.ok(statSync(tree.mirrored(".")).isDirectory());
  assert.is(readFileSync(tree.mirrored("../other/x"), "utf8"), "../other/x");
});

test("no archive exceeds maxArchiveBytes, and random trees are preserved", async ({ tree }) => {
  let [reservedBytes, archiveBytes] = [0, 0];
  for (let seed = 1; seed <= 25; seed++) {
    const folder = join(tree.directory, `tree-${seed}`);
    mkdirSync(folder);
    fillAtRandom(folder, seed);
    for (const options of [
      { inputs: [fileInput(`tree-${seed}`)] },
      { backend: "docker" as const, inputs: [copyInput(`tree-${seed}`)] },
    ]) {
      const context = await tree.found(options);
      const bytes = await tree.send(context);
      assert.ok(bytes <= context.maxArchiveBytes, `seed ${seed}: ${bytes} > ${context.maxArchiveBytes}`);
      reservedBytes += context.maxArchiveBytes;
      archiveBytes += bytes;
      const follow = options.backend === undefined;
      assert.equal(listing(tree.mirrored(`tree-${seed}`), { follow }), listing(folder, { follow }), `seed ${seed}`);
      rmSync(tree.root, { recursive: true });
      mkdirSync(tree.root);
    }
    rmSync(folder, { recursive: true });
  }
  assert.ok(reservedBytes < 1.2 * archiveBytes, `${reservedBytes} reserved, ${archiveBytes} sent`);
});

test("a file that grew, shrank, vanished or was replaced since it was found is an error that names it", async ({
  tree,
}) => {
  const big = 8 * 1024 * 1024;
  const changes: Record<string, (path: string) => void> = {
    "File shrank": (path) => truncateSync(path, 100),
    "file changed as we read it": (path) => appendFileSync(path, "more"),
  };
  for (const [message, change] of Object.entries(changes)) {
    const path = tree.file("sub/file", "");
    truncateSync(path, 0);
    writeFileSync(path, Buffer.alloc(big, 1));
    const packing = packContext(await tree.found({ inputs: [fileInput("sub")] }));
    const packed = (async () => {
      let first = true;
      for await (const _ of packing) {
        if (first) change(path);
        first = false;
      }
    })();
    const error = await rejection(packed);
    assert.instance(error, CbError);
    assert.match(String(error), message);
    assert.match(String(error), "sub/file");
  }
  const context = await tree.found({ inputs: [fileInput("sub")] });
  renameSync(join(tree.directory, "sub/file"), join(tree.directory, "elsewhere"));
  const vanished = (await rejection(archiveOf(context))) as CbError;
  assert.is(vanished.kind, "usage");
  assert.match(vanished.message, /sub\/file: .*No such file/);
  tree.file("sub/file", "x".repeat(2 * big));
  assert.match(String(await rejection(archiveOf(context))), "files became longer");
});

test("a caller that stops, and an abort, end tar; a slow caller gets no data ahead", async ({ tree }) => {
  for (let index = 0; index < 40; index++) tree.file(`sub/${index}`, "x".repeat(1024 * 1024));
  const context = await tree.found({ inputs: [fileInput("sub")] });
  for await (const chunk of packContext(context)) {
    assert.ok(chunk.length > 0);
    break;
  }
  assert.equal(childTars(), []);
  const stop = new AbortController();
  const packing = packContext(context, { signal: stop.signal });
  await packing.next();
  const [tar] = childTars();
  assert.ok(tar !== undefined);
  assert.ok(Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${tar}/io`, "utf8"))?.[1]) < 4 * 1024 * 1024);
  stop.abort(new Error("stop"));
  const ended = await rejection(
    (async () => {
      for await (const _ of packing);
    })(),
  );
  assert.match(String(ended), "stop");
  assert.equal(childTars(), []);
});

test("without GNU tar the error names it", async ({ tree }) => {
  tree.file("x");
  const context = await tree.found({ whole: true });
  const path = process.env.PATH;
  const bin = join(tree.top, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "tar"), "#!/bin/sh\necho 'bsdtar 3.7.2 - libarchive 3.7.2'\n", { mode: 0o755 });
  try {
    process.env.PATH = bin;
    const error = (await rejection(archiveOf(context))) as CbError;
    assert.is(error.kind, "usage");
    assert.match(error.message, "no GNU tar");
  } finally {
    process.env.PATH = path;
  }
});

test.run();
