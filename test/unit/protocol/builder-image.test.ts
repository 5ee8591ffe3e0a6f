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

/** The description that the queue decodes from an agent's request with `builderImage`. */
function decoded(builderImage: unknown): unknown {
  const body = encode({ v: 1, builder, publicKey, state: "ready", builderImage });
  const request = decode(agentAsk.request, body, "request");
  return request.state === "ready" ? request.builderImage : request;
}

test("the queue accepts a request with a builder image, and one without from an older agent", () => {
  assert.equal(decoded(image({ versions: versions(8) })), image({ versions: versions(8) }));
  assert.is(decoded(undefined), undefined);
});

test("the queue refuses a builder image with too many versions, too long a text, or an unprintable character", () => {
  const longest = "1".repeat(64);
  assert.ok(decoded(image({ id: longest, versions: versions(1, longest) })));
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
  for (const changes of wrong) assert.throws(() => decoded(image(changes)), /builderImage/);
});

test("imageText() is one line that starts with the id", () => {
  const text = imageText(image({ versions: [...image().versions, { name: "linux", version: "6.12.57-1" }] }));
  assert.is(text, "d9d17ab0c1e2f3a4: apptainer 1.4.5-2, linux 6.12.57-1");
});

test.run();
