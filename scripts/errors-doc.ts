/**
 * Writes docs/errors.md, the error reference: `node scripts/errors-doc.ts`. The errors, their origin and their messages are found in the
 * sources; the advice is in `errors/advice.ts`, and a code without advice is an error.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ErrorName, errorCode, errorNames, errorText, isRetriable } from '../src/protocol.ts'
import { adviceByCode, adviceByMessage } from './errors/advice.ts'

export const page = new URL('../docs/errors.md', import.meta.url)
const src = fileURLToPath(new URL('../src', import.meta.url))

interface Source {
  path: string
  text: string
}

interface Raised {
  parts: Set<string>
  messages: Set<string>
}

/** Parts of the broker by path, the most special first. */
const parts: readonly (readonly [prefix: string, part: string])[] = [
  ['broker/handlers/groups', 'groups'],
  ['broker/handlers/share', 'share groups'],
  ['broker/handlers/streams', 'streams groups'],
  ['broker/handlers/transactions', 'transactions'],
  ['broker/handlers/security', 'security'],
  ['broker/handlers/configs', 'configs'],
  ['broker/handlers/topics', 'topics'],
  ['broker/handlers/records', 'produce and fetch'],
  ['broker/handlers/cluster', 'cluster'],
  ['broker/share', 'share groups'],
  ['broker/sessions/share', 'share groups'],
  ['broker/sessions', 'produce and fetch'],
  ['broker/security', 'security'],
  ['broker/config', 'configs'],
  ['broker/telemetry', 'client metrics'],
  ['broker/quotas', 'quotas'],
  ['broker', 'every request'],
  ['coordinator/group/share', 'share groups'],
  ['coordinator/group/streams', 'streams groups'],
  ['coordinator/group', 'groups'],
  ['coordinator/share', 'share groups'],
  ['coordinator/transaction', 'transactions'],
  ['coordinator/cluster', 'topics'],
  ['coordinator', 'groups'],
  ['log', 'storage'],
  ['protocol/records', 'produce and fetch'],
  ['protocol/compression', 'produce and fetch'],
  ['protocol', 'every request'],
]

export function errors(): string {
  const sources = readSources()
  return [
    '# Errors',
    '',
    '<!-- Written by scripts/errors-doc.ts from the sources; do not edit. -->',
    '',
    "Clients show Kafka's error names and codes, and handle most of these errors themselves. `…` in a message stands for the variable parts.",
    'The log level can be changed while the broker runs: [operations.md](operations.md#log-levels).',
    '',
    '- [Error codes](#error-codes): the errors in responses',
    "- [Log messages](#log-messages): warnings and errors in the broker's log",
    '- [Starting](#starting): why the broker does not start',
    '- [The command line](#the-command-line): exit codes and errors of `millrace`',
    '',
    '## Error codes',
    '',
    ...codes(sources),
    '## Log messages',
    '',
    ...logMessages(sources),
    ...starting,
    ...commandLine,
  ].join('\n')
}

function readSources(): Source[] {
  return readdirSync(src, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && /(?<!\.test|\.testing|\.contract)\.ts$/.test(entry.name))
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
    .map(path => ({ path: relative(src, path).replaceAll('\\', '/'), text: readFileSync(path, 'utf8') }))
}

function codes(sources: readonly Source[]): string[] {
  const raised = raisedErrors(sources)
  const unused = (Object.keys(adviceByCode) as ErrorName[]).filter(name => !raised.has(name))
  if (unused.length > 0) throw new Error(`scripts/errors/advice.ts has advice for what nothing raises: ${unused.join(', ')}`)
  const never = errorNames.filter(name => name !== 'NONE' && !raised.has(name))
  return [
    ...errorNames.filter(name => raised.has(name)).flatMap(name => code(name, raised.get(name)!)),
    `Millrace never returns these other error codes of Kafka: ${never.map(name => `${name} (${errorCode(name)})`).join(', ')}.`,
    '',
  ]
}

function code(name: ErrorName, { parts: from, messages }: Raised): string[] {
  const advice = adviceByCode[name]
  if (advice === undefined) throw new Error(`say in scripts/errors/advice.ts what to do about ${name}`)
  const shown = [...messages].sort()
  return [
    `### ${name} (${errorCode(name)})`,
    '',
    `${errorText(name)} Comes from: ${[...from].sort().join(', ')}.${isRetriable(name) ? ' Clients retry.' : ''}`,
    '',
    `**What to do:** ${advice}`,
    '',
    ...(shown.length === 0 ? [] : ['Messages:', '', ...shown.map(text => `- ${text}`), '']),
  ]
}

/** Every name of an error that the broker's sources mention, and the messages that go with it. */
function raisedErrors(sources: readonly Source[]): Map<ErrorName, Raised> {
  const known = new Set<string>(errorNames)
  const raised = new Map<ErrorName, Raised>()
  const of = (name: ErrorName, path: string): Raised => {
    let entry = raised.get(name)
    if (entry === undefined) raised.set(name, (entry = { parts: new Set(), messages: new Set() }))
    entry.parts.add(partOf(path))
    return entry
  }
  for (const { path, text } of sources) {
    if (path === 'protocol/errors.ts' || !parts.some(([prefix]) => path.startsWith(prefix))) continue
    for (const [, name] of text.matchAll(/'([A-Z][A-Z_]+)'/g)) if (name !== 'NONE' && known.has(name!)) of(name as ErrorName, path)
    for (const [name, message] of messagesIn(text)) if (known.has(name)) of(name as ErrorName, path).messages.add(message)
  }
  return raised
}

function partOf(path: string): string {
  return parts.find(([prefix]) => path.startsWith(prefix))![1]
}

const literal = /`(?:[^`\\]|\\.)*`|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/.source

/** `new KafkaError('NAME', message)`, and calls of a function in the same file that makes one of its argument. */
function messagesIn(text: string): [name: string, message: string][] {
  const found: [string, string][] = []
  for (const [, name, message] of text.matchAll(new RegExp(`new KafkaError\\(\\s*'([A-Z_]+)',\\s*(${literal})`, 'g'))) {
    found.push([name!, readable(message!)])
  }
  const makers = text.matchAll(/function (\w+)\((\w+): string\)[^{]*\{\s*(?:return|throw) new KafkaError\('([A-Z_]+)', \2\)/g)
  for (const [, maker, , name] of makers) {
    for (const [, message] of text.matchAll(new RegExp(`\\b${maker}\\(\\s*(${literal})`, 'g'))) found.push([name!, readable(message!)])
  }
  return found
}

/** The literal without quotes, with `…` for placeholders. */
function readable(quoted: string): string {
  const inner = quoted.slice(1, -1).replace(/\\(.)/g, '$1')
  const text = quoted.startsWith('`') ? withoutPlaceholders(inner) : inner
  return text.replace(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;')
}

function withoutPlaceholders(template: string): string {
  let text = ''
  for (let at = 0; at < template.length; at++) {
    if (!template.startsWith('${', at)) {
      text += template[at]
      continue
    }
    for (let depth = 0; at < template.length; at++) {
      if (template[at] === '{') depth++
      if (template[at] === '}' && --depth === 0) break
    }
    text += '…'
  }
  return text
}

function logMessages(sources: readonly Source[]): string[] {
  const found = new Map<string, string>()
  const calls = new RegExp(
    `\\b(?:logger|reporter)\\.(warn|error)\\(\\s*(?:\\{[^}]*\\}|\\w+),\\s*(${literal})|\\breport\\??\\.?\\(\\s*(?:\\w+ \\?\\? )?(${literal})`,
    'gs',
  )
  for (const { path, text } of sources) {
    if (path.startsWith('client')) continue
    for (const [, level, message, reported] of text.matchAll(calls)) found.set(readable((message ?? reported)!), level ?? 'warn')
  }
  const rows = [...found].sort(([one], [other]) => (one < other ? -1 : 1))
  return [
    'The log consists of JSON lines on standard error. `level` 40 is a warning, 50 an error; `err` contains the cause.',
    '',
    '| level | message | what to do |',
    '|---|---|---|',
    ...rows.map(([message, level]) => `| ${level} | ${message} | ${adviceFor(message)} |`),
    '',
  ]
}

function adviceFor(message: string): string {
  return adviceByMessage.find(([pattern]) => pattern.test(message))?.[1] ?? 'The cause is in `err`.'
}

const starting = [
  '## Starting',
  '',
  'A broker that cannot start writes the reason to standard error and changes nothing. `millrace config explain` shows the configuration that',
  'it would use.',
  '',
  '| message | what to do |',
  '|---|---|',
  '| `Unknown broker config name: …. Did you mean …?` | Correct the key. The brackets at the end say where it is set. |',
  '| `Invalid value … for configuration …` | Correct the value; the message says what is allowed. |',
  "| `… is a topic's key; the broker's default for topics is …` | Use the broker's key. |",
  '| `… cannot be resolved: …` | A value refers to an environment variable or file that does not exist, or to a provider that Millrace does not support. |',
  '| `cannot listen on … (listeners): another process uses this address` | Stop the other process, or choose another port with `--port`. |',
  '| `cannot listen on … (http.listen): …` | Choose another address with `--http`, or `--http none`. |',
  '| `listener.name.….…: …` | The keys or the users of a TLS or SASL listener: see [security.md](security.md). |',
  '| about the data directory | See [repair.md](repair.md#a-directory-that-is-rejected). |',
  '',
]

const commandLine = [
  '## The command line',
  '',
  '| exit code | meaning |',
  '|---|---|',
  '| 0 | success |',
  '| 1 | the command failed; the reason is on standard error |',
  '| 2 | usage error: an unknown command or option, or a value that is not valid |',
  '| 70 | `millrace start`: durability can no longer be guaranteed; restart the broker |',
  '',
  "Errors from the cluster start with Kafka's error name. Other messages:",
  '',
  '| message | what to do |',
  '|---|---|',
  '| `no broker answers at …` | Check the address and port, and that the broker is running. In a container, `advertised.listeners` must be reachable from the client. |',
  '| `no answer in time from …` | Another program listens there, or the advertised address is not reachable. |',
  '| `… rejected the login: …` | Check user, password and mechanism. |',
  "| `the certificate of … is not trusted: …` | Pass the issuer's certificate with `--ca`. |",
  '| `unexpected error, please report it: …` | This is a bug; report it with the complete text. |',
  '',
]

if (import.meta.main) writeFileSync(page, errors())
