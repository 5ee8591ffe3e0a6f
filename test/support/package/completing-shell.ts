/** An interactive shell on a terminal, with the completions of programs. The programs print their arguments and do nothing. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** `share`: the folder with the completions, as in a package. */
interface Setup {
  readonly share: string;
  readonly programs: readonly string[];
}

/** The start file of each shell, and the call that reads it. Arguments are printed each with a bar behind it. */
const STARTS: Readonly<Record<Shell, (setup: Setup, file: string) => { text: string; call: string }>> = {
  bash: ({ share, programs }, file) => ({
    text: `PS1='READY> '
${programs.map((name) => `${name}() { printf 'RAN:'; printf '%s|' "$@"; echo END; }\n. '${share}/bash-completion/completions/${name}'`).join("\n")}
`,
    call: `bash --noprofile --rcfile '${file}' -i`,
  }),
  zsh: ({ share, programs }) => ({
    text: `PS1='READY> '
setopt no_auto_remove_slash
fpath=('${share}/zsh/site-functions' $fpath)
autoload -Uz compinit && compinit -u -D
${programs.map((name) => `${name}() { printf 'RAN:'; printf '%s|' "$@"; echo END; }`).join("\n")}
`,
    call: "zsh -i",
  }),
  fish: ({ share, programs }, file) => ({
    text: `function fish_prompt; echo 'READY> '; end
set -g fish_greeting
set -g fish_autosuggestion_enabled 0
set -p fish_complete_path '${share}/fish/vendor_completions.d'
${programs.map((name) => `function ${name}; printf 'RAN:'; printf '%s|' $argv; echo END; end`).join("\n")}
`,
    call: `fish --no-config --init-command 'source ${file}'`,
  }),
};

export class CompletingShell {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<undefined>;
  #output = "";
  /** Where the output of the running command begins. */
  #from = 0;

  /** `folder` is the working directory and the home. */
  constructor(shell: Shell, folder: string, setup: Setup) {
    const file = join(folder, ".zshrc");
    const { text, call } = STARTS[shell](setup, file);
    writeFileSync(file, text);
    this.#process = spawn("script", ["-qefc", `stty cols 200 rows 50; exec ${call}`, "/dev/null"], {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, ZDOTDIR: folder, TERM: "xterm", LC_ALL: "C.UTF-8" },
    });
    this.#ended = once(this.#process, "exit").then(() => undefined);
    this.#process.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      this.#output += chunk;
    });
  }

  /** Types the text, completes it with TAB, and runs it. Resolves with the arguments that the program then had. */
  async complete(typed: string): Promise<string[]> {
    await this.#seen(/READY> /);
    this.#from = this.#output.length;
    this.#process.stdin.write(`${typed}\t\r`);
    const [whole, args = ""] = await this.#seen(/RAN:(.*)END/);
    this.#from = this.#output.indexOf(whole, this.#from) + whole.length;
    return args.split("|").slice(0, -1);
  }

  async close(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  async #seen(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#output.slice(this.#from));
      if (found !== null) return found;
      const abort = new AbortController();
      const data = once(this.#process.stdout, "data", { signal: abort.signal });
      if ((await Promise.race([data, this.#ended])) !== undefined) continue;
      abort.abort();
      await data.catch(() => undefined);
      throw new Error(`the shell ended without ${pattern}:\n${this.#output}`);
    }
  }
}
