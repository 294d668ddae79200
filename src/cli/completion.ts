/** Completion scripts, written from the tree of commands so that they cannot lag behind it. They ask nobody and start nothing. */
import type { Command } from 'commander'
import { write } from './output.ts'

interface Word {
  text: string
  help: string
}

/** What may follow a chain of subcommands, by that chain (`topic create`). */
type Words = Map<string, Word[]>

export async function printCompletion(program: Command, shell: string): Promise<void> {
  const words: Words = new Map()
  collect(program, [], words)
  await write(shell === 'bash' ? bash(words) : shell === 'zsh' ? zsh(words) : fish(words))
}

function collect(command: Command, chain: readonly string[], words: Words): void {
  const help = command.createHelp()
  const options = help
    .visibleOptions(command)
    .flatMap(({ long, short, description }) =>
      [long, short].filter(flag => flag !== undefined && flag !== null).map(text => ({ text, help: description })),
    )
  const choices = command.registeredArguments[0]?.argChoices ?? []
  const subcommands = help.visibleCommands(command)
  words.set(chain.join(' '), [
    ...subcommands.map(each => ({ text: each.name(), help: each.description() })),
    ...choices.map(text => ({ text, help: '' })),
    ...options,
  ])
  for (const each of subcommands) if (each.name() !== 'help') collect(each, [...chain, each.name()], words)
}

/** The chain is found by walking the words typed so far: options, and words that continue no chain, are passed over. */
function bash(words: Words): string {
  const cases = Array.from(words, ([chain, each]) => `    '${chain}') echo '${each.map(({ text }) => text).join(' ')}' ;;`)
  return `# millrace completion for bash: source <(millrace completion bash)
_millrace_words() {
  case "$1" in
${cases.join('\n')}
    *) return 1 ;;
  esac
}
_millrace() {
  local chain='' word candidate
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    candidate="\${chain:+$chain }$word"
    _millrace_words "$candidate" > /dev/null && chain=$candidate
  done
  COMPREPLY=($(compgen -W "$(_millrace_words "$chain")" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _millrace millrace
`
}

function zsh(words: Words): string {
  const quote = (text: string) => text.replaceAll("'", "'\\''")
  const cases = Array.from(words, ([chain, each]) => {
    const rows = each.map(({ text, help }) => `      '${quote(text)}:${quote(help)}'`)
    return `    '${chain}') found=(\n${rows.join('\n')}\n    ) ;;`
  })
  return `#compdef millrace
# millrace completion for zsh: source <(millrace completion zsh)
_millrace_find() {
  found=()
  case "$1" in
${cases.join('\n')}
    *) return 1 ;;
  esac
}
_millrace() {
  local chain='' word candidate
  local -a found
  for word in "\${(@)words[2,CURRENT-1]}"; do
    candidate="\${chain:+$chain }$word"
    _millrace_find "$candidate" && chain=$candidate
  done
  _millrace_find "$chain"
  _describe 'millrace' found || _files
}
compdef _millrace millrace
`
}

function fish(words: Words): string {
  const quote = (text: string) => text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")
  const cases = Array.from(words, ([chain, each]) => {
    const rows = each.map(({ text, help }) => `      printf '%s\\t%s\\n' '${quote(text)}' '${quote(help)}'`)
    return `    case '${chain}'\n${rows.join('\n')}`
  })
  return `# millrace completion for fish: millrace completion fish | source
function __millrace_words
  switch "$argv[1]"
${cases.join('\n')}
    case '*'
      return 1
  end
end
function __millrace_complete
  set -l chain ''
  for word in (commandline -opc)[2..]
    set -l candidate (string trim "$chain $word")
    if __millrace_words "$candidate" > /dev/null
      set chain "$candidate"
    end
  end
  __millrace_words "$chain"
end
complete -c millrace -a '(__millrace_complete)'
`
}
