import { suite } from "uvu";
import * as assert from "uvu/assert";
import { archiveIn, relevantOptions } from "../../../lib/provider/sandbox/apt-settings.ts";
import { freeRange, rangeOf } from "../../../lib/provider/sandbox/subordinate-ids.ts";

const host = suite("sandbox-host");

host("freeRange() takes the first block of 65536 that overlaps none, in either file", () => {
  assert.equal(freeRange(["", ""]), { first: 100_000, count: 65_536 });
  assert.is(freeRange(["a:100000:65536\n", ""]).first, 165_536);
  assert.is(freeRange(["", "a:165535:1\n"]).first, 165_536);
  assert.is(freeRange(["", "a:165536:1\n"]).first, 100_000);
  assert.is(freeRange(["b:165536:65536\na:100000:65536\n", "c:231072:10"]).first, 231_082);
  assert.is(freeRange(["a:1000:100\n"]).first, 100_000);
  assert.throws(() => freeRange(["a:100000:600000000\n"]), /no free block/);
});

host("rangeOf() finds a user by name or number, and nobody else", () => {
  const text = "ann:100000:65536\n1001:165536:65536\nroot:300000:1\n# x:1:1\n";
  assert.equal(rangeOf(text, { name: "ann", uid: 1000 }), { owner: "ann", first: 100_000, count: 65_536 });
  assert.is(rangeOf(text, { name: "bob", uid: 1001 })?.first, 165_536);
  assert.is(rangeOf(text, { name: "an", uid: 100 }), undefined);
});

host("archiveIn() reads both forms of apt's sources, and takes no other archive", () => {
  assert.is(
    archiveIn("deb [signed-by=/k] https://m.example/debian/ trixie main\n", "debian"),
    "https://m.example/debian",
  );
  assert.is(archiveIn("Types: deb\nURIs: http://m.example/debian\n", "debian"), "http://m.example/debian");
  assert.is(
    archiveIn("# deb http://old.example/debian x\ndeb http://m.example/debian-security x\n", "debian"),
    undefined,
  );
  assert.is(archiveIn("deb http://archive.ubuntu.com/ubuntu noble main\n", "debian"), undefined);
});

host("relevantOptions() keeps the way to the archive and drops the rest", () => {
  const kept = [
    'Acquire::http::Proxy "http://proxy.example:3128";',
    'Acquire::https::mirror.example::Proxy "DIRECT";',
    'Acquire::https::CAInfo "/etc/ssl/own.pem";',
    'Acquire::Check-Valid-Until "false";',
  ];
  const dropped = ['APT::Architecture "amd64";', 'Acquire::Languages "none";', 'DPkg::Post-Invoke:: "rm x";'];
  assert.is(relevantOptions([...dropped, ...kept].join("\n")), kept.join("\n"));
});

host.run();
