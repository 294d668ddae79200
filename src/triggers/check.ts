/** Whether a definition makes sense: what its schema cannot say. Everything is refused before the trigger exists, not at its first record. */
import { Value } from 'typebox/value'
import { type Clock, InvalidConfig, linearRegExp } from '../base.ts'
import { ExprError } from '../expr.ts'
import { problemsIn } from '../http.ts'
import { principalProblem } from '../sessions.ts'
import { Definition, TriggerName } from './definition.ts'
import { compileFilter } from './filter.ts'
import { canTakeNetwork } from './runner/launch.ts'
import { NoSuchSink, sinkOf } from './sink.ts'

export class InvalidTrigger extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'InvalidTrigger'
  }
}

const ownTopics = /^__millrace_trigger/

/** With the defaults. Throws InvalidTrigger. */
export async function parseDefinition(name: string, given: unknown, clock: Clock): Promise<Definition> {
  if (!Value.Check(TriggerName, name))
    throw new InvalidTrigger(`the name "${name}" is not valid: letters, digits, ".", "_" and "-", at most 100`)
  requireFew(given)
  const definition = Value.Default(Definition, structuredClone(given))
  if (!Value.Check(Definition, definition)) throw new InvalidTrigger(shown(definition))
  const isSource = sourcesOf(definition)
  for (const [what, target] of [
    ['onFailure', definition.onFailure],
    ['output', definition.output],
  ] as const)
    if (target !== null && 'topic' in target) {
      if (isSource(target.topic))
        throw new InvalidTrigger(`${what}: the topic ${target.topic} is a source of the trigger, to which its records would come back`)
      if (ownTopics.test(target.topic)) throw new InvalidTrigger(`${what}: the topic ${target.topic} is the triggers' own`)
    }
  const { function: called, onFailure, principal, start } = definition
  const noPrincipal = principal === null ? null : principalProblem(principal)
  if (noPrincipal !== null) throw new InvalidTrigger(`principal: ${noPrincipal}`)
  const names = Object.keys('code' in called ? called.environment : called.headers)
  const bad = names.find(each => !('code' in called ? /^[A-Za-z_]\w*$/ : /^[\w!#$%&'*+.^`|~-]+$/).test(each))
  if (bad !== undefined)
    throw new InvalidTrigger(`function: "${bad}" is no name of ${'code' in called ? 'an environment variable' : 'a header'}`)
  if ('url' in called) requireHeaders(called.headers)
  if ('code' in called && !called.network && !(await canTakeNetwork()))
    throw new InvalidTrigger('function: network cannot be false here: it takes Node 25, or Linux with the right to make network namespaces')
  if ('url' in called) requireUrl('function', called.url)
  if (onFailure !== null && 'url' in onFailure) requireUrl('onFailure', onFailure.url)
  if (onFailure !== null && 'url' in onFailure && 'url' in called && onFailure.url === called.url)
    throw new InvalidTrigger(`onFailure: ${onFailure.url} is the function itself`)
  const { output } = definition
  if (output !== null && 'topic' in output && output.exactlyOnce && definition.concurrency.per === 'key')
    throw new InvalidTrigger(
      'output: with exactlyOnce offsets are committed in the order of the partition, so concurrency cannot be per key',
    )
  if (start !== 'latest' && start !== 'oldest' && Number.isNaN(Date.parse(start)))
    throw new InvalidTrigger(`start: there is no time ${start}`)
  try {
    if (output !== null && 'connector' in output) await sinkOf(output)
  } catch (error) {
    throw error instanceof InvalidConfig || error instanceof NoSuchSink ? new InvalidTrigger(`output: ${error.message}`, error) : error
  }
  try {
    await compileFilter(definition.filter, clock)
  } catch (error) {
    throw error instanceof ExprError ? new InvalidTrigger(`filter: ${error.message}`, error) : error
  }
  return definition
}

const mostNamed = 200

/** Of what the schema would go through, name by name, before it says so. Throws InvalidTrigger. */
function requireFew(given: unknown): void {
  const { function: called, output } = (given ?? {}) as {
    function?: Partial<Record<string, object | null>>
    output?: { config?: object | null } | null
  }
  const lists = [
    ['function.environment', called?.['environment']],
    ['function.headers', called?.['headers']],
    ['output.config', output?.config],
  ] as const
  const long = lists.find(([, list]) => typeof list === 'object' && list !== null && Object.keys(list).length > mostNamed)
  if (long !== undefined) throw new InvalidTrigger(`${long[0]}: at most ${mostNamed} are allowed`)
}

/** Throws InvalidTrigger. */
function sourcesOf({ topics, topicPattern }: Definition): (topic: string) => boolean {
  if ((topics === undefined) === (topicPattern === undefined)) throw new InvalidTrigger('name either topics or a topicPattern')
  const own = topics?.find(each => ownTopics.test(each))
  if (own !== undefined) throw new InvalidTrigger(`topics: ${own} is the triggers' own`)
  return topics === undefined ? topicMatcher(topicPattern!) : topic => topics.includes(topic)
}

/** Of whole names. Throws InvalidTrigger. */
export function topicMatcher(pattern: string): (topic: string) => boolean {
  try {
    const matcher = linearRegExp(`^(?:${pattern})$`)
    return topic => matcher.test(topic)
  } catch (error) {
    throw new InvalidTrigger(`topicPattern: ${(error as Error).message}`, error)
  }
}

/** Set by the call itself, or by the connection. */
const ownHeaders = /^(?:connection|content-length|content-type|expect|keep-alive|te|trailer|transfer-encoding|upgrade|x-request-id)$/i

/** Throws InvalidTrigger, which says no value: it may be secret. */
function requireHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (ownHeaders.test(name)) throw new InvalidTrigger(`function: the header ${name} is set by the call itself`)
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      throw new InvalidTrigger(
        `function: the header ${name} has characters that no header can have: ends of lines, or such as are not in Latin-1`,
      )
  }
}

/** By the Fetch standard ("bad port"), which Node keeps to; and none. */
export const blockedPorts: ReadonlySet<number> = new Set([
  ...[0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115],
  ...[117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587],
  ...[601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679],
  ...[6697, 10080],
])

/** Of what can be called: a call that cannot even begin would be tried again for ever. Throws InvalidTrigger. */
function requireUrl(what: string, url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed === null) throw new InvalidTrigger(`${what}: ${url} is not a URL`)
  if (blockedPorts.has(Number(parsed.port || 80)))
    throw new InvalidTrigger(`${what}: port ${parsed.port} cannot be called with HTTP (fetch refuses it)`)
  if (parsed.username !== '' || parsed.password !== '')
    throw new InvalidTrigger(
      `${what}: a name and a password cannot be in the URL${what === 'function' ? '; give the header "authorization"' : ''}`,
    )
}

function shown(value: unknown): string {
  const texts = problemsIn(Definition, value).map(({ instancePath, message }) => {
    const path = instancePath.slice(1).replaceAll('/', '.') || 'the definition'
    return `${path}: ${message}`
  })
  return texts.slice(0, 3).join('; ')
}
