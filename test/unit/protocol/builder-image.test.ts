import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BuilderImage, imageText } from "../../../lib/protocol/builder-image.ts";
import { decode, encode } from "../../../lib/protocol/codec.ts";
import { agentAsk } from "../../../lib/protocol/requests.ts";

const test = suite("builder image");

const builder = "11111111-1111-4111-8111-111111111111";
const publicKey = `U${"A".repeat(55)}`;
const image = (changes: Partial<BuilderImage> = {}): BuilderImage => ({
  id: "d9d17ab0c1e2f3a4",
  versions: [{ name: "apptainer", version: "1.4.5-2" }],
  ...changes,
});
const versions = (count: number, version = "1:2.0~rc1+b1") =>
  Array.from({ length: count }, (_, n) => ({ name: `p${n}`, version }));

/** What the queue makes of a question with that in it. */
function heard(builderImage: unknown): unknown {
  const ask = { v: 1, builder, publicKey, state: "ready", builderImage };
  const question = decode(agentAsk.request, encode(ask), "question");
  return question.state === "ready" ? question.builderImage : question;
}

test("a question may say what its builder was made of, and one of an older agent says nothing", () => {
  assert.equal(heard(image({ versions: versions(8) })), image({ versions: versions(8) }));
  assert.is(heard(undefined), undefined);
});

test("a question is refused that says too much, too long, or what is not printed", () => {
  const longest = "1".repeat(64);
  assert.ok(heard(image({ id: longest, versions: versions(1, longest) })));
  const wrong: Partial<BuilderImage>[] = [
    { versions: versions(9) },
    { id: `${longest}1` },
    { id: "" },
    { id: "a\u001b[2J" },
    { versions: versions(1, `${longest}1`) },
    { versions: versions(1, "1 2") },
    { versions: versions(1, "1\u202e2") },
    { versions: [{ name: "Apptainer\n", version: "1" }] },
  ];
  for (const changes of wrong) assert.throws(() => heard(image(changes)), /builderImage/);
});

test("imageText() is one line, the id first", () => {
  const text = imageText(image({ versions: [...image().versions, { name: "linux", version: "6.12.57-1" }] }));
  assert.is(text, "d9d17ab0c1e2f3a4: apptainer 1.4.5-2, linux 6.12.57-1");
});

test.run();
