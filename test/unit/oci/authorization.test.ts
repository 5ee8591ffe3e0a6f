import { Agent } from "undici";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import type { Registry } from "../../../lib/oci/address.ts";
import { authorize } from "../../../lib/oci/authorization.ts";

const test = suite("authorization");
const get = { dispatcher: new Agent(), signal: new AbortController().signal };
const login = { username: "site", password: "it's ä secret" };
const registry: Registry = { host: "reg.example", plainHttp: false, login };

async function refusal(one: Registry, header: string): Promise<string> {
  const error = await authorize(one, header, get).then(String, (thrown: unknown) => thrown);
  assert.instance(error, CbError);
  assert.is((error as CbError).kind, "denied");
  return (error as CbError).message;
}

test("authorize() answers a basic challenge with the login", async () => {
  const value = await authorize(registry, 'Basic realm="x"', get);
  assert.is(Buffer.from(value.replace("Basic ", ""), "base64").toString(), "site:it's ä secret");
});

test("authorize() asks no token server without TLS unless the registry has none either", async () => {
  for (const realm of ["http://auth.example/", "ftp://auth.example/", "/token", ""]) {
    assert.match(await refusal(registry, `Bearer realm="${realm}"`), "not https");
  }
});

test("authorize() says that a login is missing, or which scheme it does not know", async () => {
  assert.match(await refusal({ host: "reg.example", plainHttp: false }, "Basic realm=x"), "wants a login");
  assert.match(await refusal(registry, "Negotiate"), "negotiate");
});

test.run();
