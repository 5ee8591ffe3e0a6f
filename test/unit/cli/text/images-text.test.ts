import { suite } from "uvu";
import * as assert from "uvu/assert";
import { imagesNotes, imagesText } from "../../../../lib/cli/text/images-text.ts";
import type { RegistryImages } from "../../../../lib/protocol/images-messages.ts";

const test = suite("images text");

const titan = { repository: "olcf/titan", tags: ["centos-7_2018-01-18", "ubuntu-16.04_2018-01-18"] };
const summit = { repository: "olcf/summit", tags: ["centos-7_2018-02-08"] };
const answered = (host: string, ...images: RegistryImages["images"]): RegistryImages => ({
  host,
  images,
  truncated: false,
});
const down: RegistryImages = { host: "c", images: [], truncated: false, error: "registry c: down" };
const reply = (...registries: RegistryImages[]) => ({ v: 1 as const, registries });

const SECTIONS = `-----------------------------
repository: olcf/titan
tags:
- centos-7_2018-01-18
- ubuntu-16.04_2018-01-18
-----------------------------
repository: olcf/summit
tags:
- centos-7_2018-02-08
`;

test("imagesText() has a rule before each repository and none at the end", () => {
  assert.is(imagesText(reply(answered("a", titan, summit))), SECTIONS);
});

test("imagesText() prints a heading for each registry that answered if several are configured", () => {
  const heading = (host: string) => `-----------------------------\nregistry: ${host}\n`;
  assert.is(imagesText(reply(answered("a", titan, summit), down)), heading("a") + SECTIONS);
  assert.is(imagesText(reply(answered("a"), answered("b", titan, summit))), heading("a") + heading("b") + SECTIONS);
});

test("imagesNotes() explains what is missing", () => {
  const notes = imagesNotes(reply(answered("a"), { ...answered("b", titan), truncated: true }, down));
  assert.equal(notes, [
    "registry a: no images",
    "registry b: the list is truncated; the registry has more repositories or tags",
    "registry c: down",
  ]);
  assert.equal(imagesNotes(reply(answered("a", titan))), []);
  assert.equal(imagesNotes(reply({ ...answered("a", titan), truncated: true, refused: 2 })), [
    "registry a: the list is truncated; the registry has more repositories or tags",
    "registry a: 2 repositories are left out, because the registry denies the queue access",
  ]);
});

test("imagesText() is empty without registries, and imagesNotes() states that none is configured", () => {
  assert.is(imagesText(reply()), "");
  assert.match(imagesNotes(reply())[0] ?? "", "no registries are configured");
});

test.run();
