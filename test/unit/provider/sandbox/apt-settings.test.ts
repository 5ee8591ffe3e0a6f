import { suite } from "uvu";
import * as assert from "uvu/assert";
import { archiveIn, relevantOptions } from "../../../../lib/provider/sandbox/apt-settings.ts";

const test = suite("apt settings");

test("archiveIn() reads both formats of apt's sources, and returns no other archive", () => {
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

test("relevantOptions() keeps the options for reaching the archive and drops the rest", () => {
  const kept = [
    'Acquire::http::Proxy "http://proxy.example:3128";',
    'Acquire::https::mirror.example::Proxy "DIRECT";',
    'Acquire::https::CAInfo "/etc/ssl/own.pem";',
    'Acquire::Check-Valid-Until "false";',
  ];
  const dropped = ['APT::Architecture "amd64";', 'Acquire::Languages "none";', 'DPkg::Post-Invoke:: "rm x";'];
  assert.is(relevantOptions([...dropped, ...kept].join("\n")), kept.join("\n"));
});

test.run();
