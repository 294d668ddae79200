/** `millrace trigger`: what a service of triggers knows and does. */
import { parse as parseYaml } from 'yaml'
import { parseLossless, realSystem, stringifyLossless } from '../base.ts'
import { CommandFailed, show, table, UsageError, write } from './output.ts'
import type { TriggersFlags } from './program-trigger.ts'
import { TriggerApi } from './trigger-api.ts'

interface DefinitionFlags extends TriggersFlags {
  file?: string
  topic?: string[]
  topicPattern?: string
  function?: string
  url?: string
  envelope?: string
  start?: string
  batchSize?: number
  retries?: number
  filter?: string[]
  output?: string
  onFailure?: string
  env?: Record<string, string>
  set?: Record<string, string>
  pause?: boolean
  resume?: boolean
}

interface Shown {
  name: string
  version: number
  by: string
  at: string
  restores: number | null
  definition: Record<string, unknown> & { function: { code?: string; language?: string } }
  status?: Status
}

interface Status {
  state: string
  reason: string | null
  calls: number
  errors: Record<string, number>
  givenUp: number
  ageMs: number
  lastError: { at: string; kind: string; message: string } | null
}

interface Row {
  name: string
  version: number
  state: string
  topics: string[]
  envelope: string
  function: string
  calls: number
  errors: number
  givenUp: number
}

export async function createTrigger(name: string, flags: DefinitionFlags): Promise<void> {
  const api = await TriggerApi.open(flags)
  const made = await api.ask<Shown>('POST', '/triggers', { ...definitionOf(flags, null), name })
  await show(flags.json, made, () => `${made.name} created (version ${made.version})\n`)
}

export async function updateTrigger(name: string, flags: DefinitionFlags): Promise<void> {
  const api = await TriggerApi.open(flags)
  const before = await api.ask<Shown>('GET', pathOf(name))
  const given = definitionOf(flags, before.definition)
  if (Object.keys(given).length === 0) throw new UsageError('name what is to change, such as --function or --pause')
  // A file is all of the definition.
  const made = await (flags.file === undefined ? api.ask<Shown>('PATCH', pathOf(name), given) : api.ask<Shown>('PUT', pathOf(name), given))
  await show(flags.json, made, () => `${made.name} changed (version ${made.version})\n`)
}

export async function listTriggers(flags: TriggersFlags): Promise<void> {
  const api = await TriggerApi.open(flags)
  const rows: Row[] = []
  for (let total = 1; rows.length < total; ) {
    const page = await api.ask<{ total: number; triggers: Row[] }>('GET', `/triggers?from=${rows.length}&limit=1000`)
    rows.push(...page.triggers)
    total = page.triggers.length === 0 ? 0 : page.total
  }
  await show(flags.json, rows, () =>
    table(
      ['NAME', 'VERSION', 'STATE', 'TOPICS', 'ENVELOPE', 'FUNCTION', 'CALLS', 'ERRORS', 'GIVEN UP'],
      rows.map(row => [
        row.name,
        row.version,
        row.state,
        row.topics.join(','),
        row.envelope,
        row.function,
        row.calls,
        row.errors,
        row.givenUp,
      ]),
    ),
  )
}

export async function getTrigger(name: string, flags: TriggersFlags & { version?: number }): Promise<void> {
  const api = await TriggerApi.open(flags)
  const found = await api.ask<Shown>('GET', flags.version === undefined ? pathOf(name) : `${pathOf(name)}/versions/${flags.version}`)
  await show(flags.json, found, () => {
    const { code, ...called } = found.definition.function
    const lines = [
      `version ${found.version}, by ${found.by}, ${found.at}${found.restores === null ? '' : `, as version ${found.restores}`}`,
    ]
    if (found.status !== undefined) lines.push(...statusLines(found.status))
    lines.push(JSON.stringify({ ...found.definition, function: called }, null, 2))
    if (code !== undefined) lines.push('', code.trimEnd())
    return `${lines.join('\n')}\n`
  })
}

function statusLines({ state, reason, calls, errors, givenUp, ageMs, lastError }: Status): string[] {
  const kinds = Object.entries(errors).map(([kind, count]) => `${count} ${kind}`)
  const last = lastError === null ? [] : [`last error ${lastError.at}, ${lastError.kind}: ${lastError.message}`]
  return [
    `state ${state}${reason === null ? '' : `: ${reason}`}`,
    `calls: ${calls}, errors: ${kinds.join(', ') || 'none'}, records given up: ${givenUp}, oldest that is not done: ${(ageMs / 1_000).toFixed(1)} s`,
    ...last,
  ]
}

export async function deleteTrigger(name: string, flags: TriggersFlags): Promise<void> {
  const api = await TriggerApi.open(flags)
  await api.ask('DELETE', pathOf(name))
  await show(flags.json, { name }, () => `${name} deleted\n`)
}

export async function listVersions(name: string, flags: TriggersFlags): Promise<void> {
  const api = await TriggerApi.open(flags)
  const { versions } = await api.ask<{ versions: Omit<Shown, 'name' | 'definition'>[] }>('GET', `${pathOf(name)}/versions`)
  await show(flags.json, versions, () =>
    table(
      ['VERSION', 'BY', 'AT', 'RESTORES'],
      versions.map(({ version, by, at, restores }) => [version, by, at, restores]),
    ),
  )
}

export async function rollbackTrigger(name: string, version: string | undefined, flags: TriggersFlags): Promise<void> {
  if (version !== undefined && !/^[1-9]\d{0,8}$/.test(version)) throw new UsageError(`"${version}" is no version`)
  const api = await TriggerApi.open(flags)
  const made = await api.ask<Shown>('POST', `${pathOf(name)}/rollback`, version === undefined ? {} : { version: Number(version) })
  await show(flags.json, made, () => `${made.name} is as in version ${made.restores} again (version ${made.version})\n`)
}

interface TestShown {
  event: unknown
  result: unknown
  error: { kind: string; type: string; message: string } | null
  durationMs: number
  isCold: boolean
  output: string
}

export async function testTrigger(name: string, flags: TriggersFlags & { event?: string; version?: number }): Promise<void> {
  const api = await TriggerApi.open(flags)
  const event = flags.event === undefined ? {} : { event: jsonIn(flags.event, '--event') }
  const told = await api.ask<TestShown>('POST', `${pathOf(name)}/test`, {
    ...event,
    ...(flags.version === undefined ? {} : { version: flags.version }),
  })
  await show(flags.json, told, () => {
    const outcome = told.error === null ? stringifyLossless(told.result, 2) : `${told.error.type}: ${told.error.message}`
    return `${told.output}${told.output === '' || told.output.endsWith('\n') ? '' : '\n'}${outcome}\n${told.durationMs} ms${told.isCold ? ', with the start of a process' : ''}\n`
  })
  if (told.error !== null) throw new CommandFailed(`the function has failed (${told.error.kind})`)
}

interface LogPage {
  lines: { time: string; stream: string; message: string }[]
  next: string
}

const mostWaitMs = 20_000

export async function triggerLogs(name: string, flags: TriggersFlags & { lines: number; follow?: boolean }): Promise<void> {
  const api = await TriggerApi.open(flags)
  const print = async ({ lines }: LogPage) => {
    for (const line of lines)
      await write(flags.json === true ? `${JSON.stringify(line)}\n` : `${line.time} ${line.stream.padEnd(6)} ${line.message}\n`)
  }
  let page = await api.ask<LogPage>('GET', `${pathOf(name)}/logs?limit=${flags.lines}`)
  await print(page)
  while (flags.follow === true) {
    page = await api.ask<LogPage>('GET', `${pathOf(name)}/logs?limit=1000&after=${page.next}&waitMs=${mostWaitMs}`)
    await print(page)
  }
}

function pathOf(name: string): string {
  return `/triggers/${encodeURIComponent(name)}`
}

/** Only what is given. `before`: of the trigger that is to change. */
function definitionOf(flags: DefinitionFlags, before: Shown['definition'] | null): Record<string, unknown> {
  const given: Record<string, unknown> = flags.file === undefined ? {} : fileOf(flags.file)
  const set = (key: string, value: unknown) => {
    if (value !== undefined) given[key] = value
  }
  set('topics', flags.topic)
  set('topicPattern', flags.topicPattern)
  if (flags.topic !== undefined && before?.['topicPattern'] !== undefined) given['topicPattern'] = null
  if (flags.topicPattern !== undefined && before?.['topics'] !== undefined) given['topics'] = null
  set('envelope', flags.envelope)
  set('start', flags.start)
  set('batchSize', flags.batchSize)
  set('retries', flags.retries)
  set('filter', flags.filter === undefined ? undefined : { Filters: flags.filter.map(Pattern => ({ Pattern })) })
  set('output', flags.output === undefined ? undefined : { topic: flags.output })
  set(
    'onFailure',
    flags.onFailure === undefined ? undefined : /^https?:/.test(flags.onFailure) ? { url: flags.onFailure } : { topic: flags.onFailure },
  )
  if (flags.pause === true || flags.resume === true) given['enabled'] = flags.resume === true
  const called = functionOf(flags, (given['function'] ?? before?.function) as Record<string, unknown> | undefined)
  set('function', called)
  for (const [key, value] of Object.entries(flags.set ?? {})) setDeep(given, before, key, settingIn(value))
  return given
}

/** undefined: nothing of it is given. */
function functionOf(
  { function: file, url, env }: DefinitionFlags,
  before: Record<string, unknown> | undefined,
): Record<string, unknown> | undefined {
  if (file !== undefined && url !== undefined) throw new UsageError('--function and --url exclude each other')
  const kept = before !== undefined && 'url' in before === (url !== undefined) ? before : {}
  if (url !== undefined) return { ...kept, url }
  if (file === undefined && env === undefined) return undefined
  const language = file === undefined ? undefined : /\.[cm]?ts$/.test(file) ? 'typescript' : 'javascript'
  return {
    ...(file === undefined ? before : kept),
    ...(file === undefined ? {} : { code: read(file, '--function').toString(), language }),
    ...(env === undefined ? {} : { environment: { ...(before?.['environment'] as object | undefined), ...env } }),
  }
}

/** `function.timeoutMs=1000` is a field of a field. */
function setDeep(given: Record<string, unknown>, before: Record<string, unknown> | null, key: string, value: unknown): void {
  const [first, ...rest] = key.split('.') as [string, ...string[]]
  if (rest.length === 0) {
    given[first] = value
    return
  }
  const inner = { ...((given[first] ?? before?.[first]) as Record<string, unknown> | undefined) }
  setDeep(inner, null, rest.join('.'), value)
  given[first] = inner
}

/** JSON where it is some. */
function settingIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function fileOf(path: string): Record<string, unknown> {
  const content = read(path, '--file').toString()
  let parsed: unknown
  try {
    parsed = parseYaml(content)
  } catch (error) {
    throw new UsageError(`--file: ${path}: ${(error as Error).message}`)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new UsageError(`--file: ${path} holds no definition`)
  const { name: _, ...definition } = parsed as Record<string, unknown>
  return definition
}

function jsonIn(path: string, flag: string): unknown {
  try {
    return parseLossless(read(path, flag).toString())
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`${flag}: ${path} is not valid JSON: ${(error as Error).message}`)
  }
}

function read(path: string, flag: string): Buffer {
  const content = realSystem().files.readFile(path)
  if (content === null) throw new UsageError(`${flag}: file not found: ${path}`)
  return content
}
