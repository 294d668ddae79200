/**
 * Completion scripts, generated from the command tree so that they are never out of date. Commands, options and choices are in the script
 * itself; topic and group names come from the cluster, with the connection options typed so far.
 */
import type { Command } from 'commander'
import { write } from './output.ts'

interface Word {
  text: string
  help: string
}

/** What can follow a chain of subcommands (`topic create`). */
interface Following {
  words: Word[]
  /** Names from the cluster that it takes as arguments. */
  names: 'topics' | 'groups' | null
}

type Chains = Map<string, Following>

export async function printCompletion(program: Command, shell: string): Promise<void> {
  const chains: Chains = new Map()
  collect(program, [], chains)
  await write(shell === 'bash' ? bash(chains) : shell === 'zsh' ? zsh(chains) : fish(chains))
}

function collect(command: Command, chain: readonly string[], chains: Chains): void {
  const help = command.createHelp()
  const options = help
    .visibleOptions(command)
    .flatMap(({ long, short, description }) =>
      [long, short].filter(flag => flag !== undefined && flag !== null).map(text => ({ text, help: description })),
    )
  const [first] = command.registeredArguments
  const choices = first?.argChoices ?? []
  const subcommands = help.visibleCommands(command)
  const words = [
    ...subcommands.map(each => ({ text: each.name(), help: each.description() })),
    ...choices.map(text => ({ text, help: '' })),
    ...options,
  ]
  chains.set(chain.join(' '), { words, names: namesFor(first?.name()) })
  // `config get topic NAME`: what follows depends on the choice.
  for (const choice of choices) chains.set([...chain, choice].join(' '), { words: options, names: namesFor(choice) })
  for (const each of subcommands) if (each.name() !== 'help') collect(each, [...chain, each.name()], chains)
}

function namesFor(argument: string | undefined): Following['names'] {
  if (argument === 'topic' || argument === 'topics') return 'topics'
  return argument === 'group' || argument === 'groups' ? 'groups' : null
}

/** Connection options that may have been typed: without a value, and with one. */
const connectionFlags = '--tls'
const connectionOptions = '-b|--bootstrap|--client-config|--ca|--username|--mechanism'

/**
 * In sh, for every shell: prints names. Names with characters other than these are skipped, because shells expand completions.
 * Standard input is empty, so that nothing waits for a password.
 */
const askNames = `  case "$1" in
    topics) shift; millrace topic list "$@" ;;
    groups) shift; millrace group list "$@" | awk 'NR > 1 { print $1 }' ;;
  esac < /dev/null 2> /dev/null | grep -E '^[A-Za-z0-9._-]+$'`

/** The chain is found by walking the words typed so far; options, and words that do not continue a chain, are skipped. */
function bash(chains: Chains): string {
  const words = Array.from(chains, ([chain, each]) => `    '${chain}') echo '${each.words.map(({ text }) => text).join(' ')}' ;;`)
  return `# millrace completion for bash: source <(millrace completion bash)
_millrace_words() {
  case "$1" in
${words.join('\n')}
    *) return 1 ;;
  esac
}
_millrace_kind() {
  case "$1" in
${kinds(chains)}
  esac
}
_millrace_names() {
${askNames}
}
_millrace() {
  local chain='' kind='' candidate index word current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local -a connection=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    case "$word" in
      ${connectionFlags}) connection+=("$word") ;;
      ${connectionOptions}) connection+=("$word" "\${COMP_WORDS[index+1]}") ;;
    esac
    candidate="\${chain:+$chain }$word"
    _millrace_words "$candidate" > /dev/null && chain=$candidate
  done
  case "$previous" in
    --topic | -t) kind=topics ;;
    --group | -g) kind=groups ;;
    *) [[ $current == -* ]] || kind=$(_millrace_kind "$chain") ;;
  esac
  COMPREPLY=($(compgen -W "$(_millrace_words "$chain") $(_millrace_names "$kind" "\${connection[@]}")" -- "$current"))
}
complete -o default -F _millrace millrace
`
}

function kinds(chains: Chains): string {
  const chainsOf = (kind: string) => [...chains].filter(([, { names }]) => names === kind).map(([chain]) => `'${chain}'`)
  return (['topics', 'groups'] as const).map(kind => `    ${chainsOf(kind).join(' | ')}) echo ${kind} ;;`).join('\n')
}

function zsh(chains: Chains): string {
  const quote = (text: string) => text.replaceAll("'", "'\\''")
  const cases = Array.from(chains, ([chain, each]) => {
    const rows = each.words.map(({ text, help }) => `      '${quote(text)}:${quote(help)}'`)
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
_millrace_kind() {
  case "$1" in
${kinds(chains)}
  esac
}
_millrace_names() {
${askNames}
}
_millrace() {
  local chain='' kind='' word candidate
  local -a found connection
  local -i index
  for ((index = 2; index < CURRENT; index++)); do
    word=$words[index]
    case "$word" in
      ${connectionFlags}) connection+=("$word") ;;
      ${connectionOptions}) connection+=("$word" "$words[index+1]") ;;
    esac
    candidate="\${chain:+$chain }$word"
    _millrace_find "$candidate" && chain=$candidate
  done
  case "$words[CURRENT-1]" in
    --topic | -t) kind=topics ;;
    --group | -g) kind=groups ;;
    *) [[ $words[CURRENT] == -* ]] || kind=$(_millrace_kind "$chain") ;;
  esac
  _millrace_find "$chain"
  [[ -z $kind ]] || found+=(\${(f)"$(_millrace_names "$kind" "\${connection[@]}")"})
  _describe 'millrace' found || _files
}
compdef _millrace millrace
`
}

function fish(chains: Chains): string {
  const quote = (text: string) => text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")
  const cases = Array.from(chains, ([chain, each]) => {
    const rows = each.words.map(({ text, help }) => `      printf '%s\\t%s\\n' '${quote(text)}' '${quote(help)}'`)
    return `    case '${chain}'\n${rows.join('\n')}`
  })
  const names = [...chains]
    .filter(([, each]) => each.names !== null)
    .map(([chain, each]) => `    case '${chain}'\n      echo ${each.names}`)
  const connection = `${connectionFlags}|${connectionOptions}`.split('|').join(' ')
  return `# millrace completion for fish: millrace completion fish | source
function __millrace_words
  switch "$argv[1]"
${cases.join('\n')}
    case '*'
      return 1
  end
end
function __millrace_kind
  switch "$argv[1]"
${names.join('\n')}
  end
end
function __millrace_names
  switch "$argv[1]"
    case topics
      millrace topic list $argv[2..] < /dev/null 2> /dev/null
    case groups
      millrace group list $argv[2..] < /dev/null 2> /dev/null | awk 'NR > 1 { print $1 }'
  end
end
function __millrace_complete
  set -l chain ''
  set -l connection
  set -l takes 0
  set -l typed (commandline -opc)
  for word in $typed[2..]
    if test $takes = 1; or contains -- $word ${connection}
      set -a connection $word
      test $takes = 0; and test $word != ${connectionFlags}; and set takes 1; or set takes 0
    end
    set -l candidate (string trim "$chain $word")
    if __millrace_words "$candidate" > /dev/null
      set chain "$candidate"
    end
  end
  __millrace_words "$chain"
  set -l kind (__millrace_kind "$chain")
  contains -- $typed[-1] --topic -t; and set kind topics
  contains -- $typed[-1] --group -g; and set kind groups
  string match -q -- '-*' (commandline -ct); or __millrace_names "$kind" $connection
end
complete -c millrace -a '(__millrace_complete)'
`
}
