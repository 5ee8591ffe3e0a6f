import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ownImage } from "../../../agent/image.ts";

const test = suite<{ folder: string }>("own image");

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "cb-image-"));
});
test.after.each(({ folder }) => rm(folder, { recursive: true }));

test("ownImage() returns the id and the shown versions of a sandbox and of a virtual machine", async ({ folder }) => {
  await writeFile(join(folder, "image"), "0123456789abcdef\n");
  const list = ["adduser 3.152", "apptainer 1.4.5-2", "base-files 13.8+deb13u2", "buildah 1.39.3+ds1-1+b4"];
  const kernel = "linux-image-6.12.57+deb13-cloud-amd64 6.12.57-1";
  await writeFile(join(folder, "versions"), [...list, "nodejs 20.19.2+dfsg-1", ""].join("\n"));
  const sandbox = [
    { name: "apptainer", version: "1.4.5-2" },
    { name: "buildah", version: "1.39.3+ds1-1+b4" },
    { name: "debian", version: "13.8+deb13u2" },
    { name: "nodejs", version: "20.19.2+dfsg-1" },
  ];
  assert.equal(await ownImage(folder), { id: "0123456789abcdef", versions: sandbox });
  await writeFile(join(folder, "versions"), [...list, kernel, "linux-image-cloud-amd64 6.12"].join("\n"));
  const machine = [...sandbox.slice(0, 3), { name: "linux", version: "6.12.57-1" }];
  assert.equal((await ownImage(folder))?.versions, machine);
});

test("ownImage() is undefined without the files, or with an invalid id", async ({ folder }) => {
  assert.is(await ownImage(folder), undefined);
  await writeFile(join(folder, "image"), "two words\n");
  await writeFile(join(folder, "versions"), "apptainer 1.4.5-2\n");
  assert.is(await ownImage(folder), undefined);
});

test.run();
