import { mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startIssuing } from "../../test/support/issuing.ts";
import { snippets } from "./snippets.ts";

/** A web server that answers any token with this thumbprint. */
async function webServer(port: number, thumbprint: () => string) {
  const asked: string[] = [];
  const server = createServer(({ url = "" }, response) => {
    const token = url.split("/").at(-1) ?? "";
    asked.push(token);
    response.end(`${token}.${thumbprint()}`);
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return asked;
}

const solver = ["--solver", "stateless"];

describe("stateless", () => {
  it("requests a random token from the web server, and orders only if the answer is right", async () => {
    await using issuing = await startIssuing();
    let thumbprint = "";
    const asked = await webServer(issuing.httpPort, () => thumbprint);
    const wrong = await issuing.issue(["-d", "shop.example.test"], { solver });
    expect(wrong.code).toBe(7);
    expect(wrong.stderr).toMatch(/answers 200 with another body/);
    expect(wrong.stderr).toMatch(/Hint: Put what `acmectl solvers show stateless/);
    expect(issuing.ca.requests.some(({ path }) => path.includes("new-order"))).toBe(false);

    const shown = await issuing.run(["solvers", "show", "stateless", "--json"]);
    const { solver: about } = JSON.parse(shown.stdout);
    thumbprint = about.thumbprint;
    expect(wrong.stderr).toContain(`The thumbprint is ${thumbprint}.`);
    expect(about.snippets).toEqual(snippets(thumbprint));
    const text = await issuing.run(["solvers", "show", "stateless"]);
    expect(text.stdout).toContain(`return 200 "$1.${thumbprint}";`);

    const before = asked.length;
    const issued = await issuing.issue(["-d", "shop.example.test"], { solver });
    expect([issued.code, issued.stderr]).toEqual([0, expect.stringContaining("validated")]);
    expect(new Set(asked.slice(before)).size).toBe(2);
  });

  it("leaves a name to the next solver if the web server answers with another thumbprint", async () => {
    await using issuing = await startIssuing();
    const webroot = join(issuing.home, "webroot");
    await mkdir(webroot);
    const server = createServer(({ url = "" }, response) => {
      const wrong = `${url.split("/").at(-1)}.of-another-account`;
      readFile(join(webroot, url)).then(
        (body) => response.end(body),
        () => response.end(wrong),
      );
    }).listen(issuing.httpPort, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const both = [...solver, "--solver", "webroot", "--webroot", webroot];
    const issued = await issuing.issue(["-d", "shop.example.test"], { solver: both });
    expect([issued.code, issued.stderr]).toEqual([0, expect.stringContaining("trying webroot")]);
  });

  it("warns, but places the order, if a name is not reachable from this machine", async () => {
    await using issuing = await startIssuing();
    const words = ["-d", "shop.example.test", "--self-check-at", "127.0.0.1:1"];
    const ran = await issuing.issue(words, { solver });
    expect(ran.stderr).toMatch(/Warning: the self-check could not reach/);
    expect(issuing.ca.requests.some(({ path }) => path.includes("new-order"))).toBe(true);
  });

  it("shows a placeholder, and how to register, if the state has no account", async () => {
    await using issuing = await startIssuing();
    const { code, stdout } = await issuing.run(["solvers", "show", "stateless"]);
    expect([code, stdout]).toEqual([0, expect.stringContaining("No account is registered yet.")]);
    expect(stdout).toContain('"$1.THUMBPRINT"');
  });

  it("has the configurations that it prints in its README", async () => {
    const readme = await readFile(new URL("README.md", import.meta.url), "utf8");
    for (const text of Object.values(snippets("THUMBPRINT"))) expect(readme).toContain(text);
  });
});
