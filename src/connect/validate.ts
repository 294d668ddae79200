/**
 * Whether a configuration is right, with Kafka Connect's answer: for each key what it means, what it says, what is wrong, and what would fit.
 *
 * All errors are told at once. Values of passwords are never told back.
 */
import {
  type ConfigKey,
  hidesNothing,
  hidingOf,
  InvalidConfig,
  inSlices,
  isSecret,
  missingConfig,
  readValue,
  type System,
  secretsWithin,
  type Turns,
} from '../base.ts'
import type { ConnectorDefinition } from '../connector.ts'
import type { RegistryReached } from '../service.ts'
import { type Acting, CannotAct } from '../sessions.ts'
import { producesElsewhere, sinkProblems } from './connector-keys.ts'
import { converterClasses, converterProblems } from './converters.ts'
import { badRequest } from './herder/errors.ts'
import { formOf } from './key-forms.ts'
import { type Described, describe, refusedKeys } from './known-keys.ts'
import { foreignProblems } from './plugins/foreign.ts'
import type { Plugins } from './plugins.ts'
import { resolveProviders } from './providers.ts'
import { hidden } from './secrets.ts'
import { type Config, withoutNulls } from './stores/config-state.ts'
import { checkTransforms } from './transform-check/host.ts'
import { transformClasses } from './transforms.ts'
import type { WorkerConfig } from './worker-config.ts'

/** Kafka Connect's ConfigKeyInfo. */
export interface KeyInfo {
  readonly name: string
  readonly type: string
  readonly required: boolean
  readonly default_value: string | null
  readonly importance: string
  readonly documentation: string
  readonly group: string | null
  readonly order_in_group: number
  readonly width: string
  readonly display_name: string
  readonly dependents: readonly string[]
}

interface ValueInfo {
  readonly name: string
  readonly value: string | null
  readonly recommended_values: readonly string[]
  readonly errors: readonly string[]
  readonly visible: boolean
}

export interface ConfigInfos {
  readonly name: string
  readonly error_count: number
  readonly groups: readonly string[]
  readonly configs: readonly { readonly definition: KeyInfo | null; readonly value: ValueInfo }[]
}

export interface ValidateOptions {
  readonly plugins: Plugins
  readonly worker: WorkerConfig
  readonly acting: Acting
  /** Of schemas; null: there is none. */
  registry(): RegistryReached | null
  readonly turns: Turns
  readonly system: System
}

const checkMs = 30_000
const noNull = 'Null value can not be supplied as the configuration value.'

export async function validate(
  config: Config,
  { plugins, worker, acting, registry, turns, system }: ValidateOptions,
): Promise<ConfigInfos> {
  const errors = new Map<string, string[]>()
  let hiding = hidesNothing
  // Of what is null nothing else is told.
  const add = (key: string, error: string) =>
    errors.set(key, config[key] === null ? [noNull] : [...(errors.get(key) ?? []), hiding.text(error)])
  const resolved = await resolve(config, { system, worker }, add)
  const name = resolved['connector.class']
  if (name === undefined || name === '') throw badRequest('Connector config contains no connector type')
  const definition = await loadDefinition(plugins, name)
  hiding = hidingOf(withoutNulls(config), resolved, definition.config)
  const described = describe(definition, resolved, worker)
  const values: Record<string, unknown> = {}
  for (const [key, { declared, required }] of described) {
    if (required && resolved[key] === undefined) add(key, missingConfig(key).message)
    else
      try {
        values[key] = readValue(key, declared, resolved[key])
      } catch (error) {
        if (!(error instanceof InvalidConfig)) throw error
        add(key, error.message)
      }
  }
  await readElsewhere(definition, values, errors, add)
  for (const [key, value] of Object.entries(config)) if (value === null) add(key, noNull)
  const ofKind = definition.kind === 'sink' ? sinkProblems(resolved) : await sourceProblems(definition, values, resolved, worker)
  for (const [key, problems] of ofKind) for (const problem of problems) add(key, problem)
  for (const [key, problem] of forbiddenOverrides(resolved, worker)) add(key, problem)
  await inSlices(turns, await refusedKeys(definition, resolved, described, turns), ([key, problem]) => add(key, problem))
  const refused = errors.has('principal') ? null : await principalRefused(resolved, acting)
  if (refused !== null) add('principal', refused)
  const asMap = new Map(Object.entries(resolved))
  for (const problems of [converterProblems(asMap, { system, registry: registry() }), await checkTransforms(asMap, system)])
    for (const [key, some] of problems) for (const problem of some) if (!errors.get(key)?.includes(problem)) add(key, problem)
  await checkOwn(definition, values, errors, add, system)
  const recommended = errors.size === 0 ? await recommendedBy(definition, values) : new Map<string, readonly string[]>()
  return infosOf(name, described, config, resolved, errors, recommended)
}

/** Throws HttpError 400. */
async function loadDefinition(plugins: Plugins, name: string): Promise<ConnectorDefinition> {
  try {
    return await plugins.find(name).load()
  } catch (error) {
    throw badRequest((error as Error).message)
  }
}

async function resolve(
  config: Config,
  { system, worker }: Pick<ValidateOptions, 'system' | 'worker'>,
  add: (key: string, error: string) => void,
): Promise<Record<string, string>> {
  const given = withoutNulls(config)
  try {
    return { ...(await resolveProviders(given, system, worker.properties)) }
  } catch (error) {
    const { key } = error as { key?: string }
    add(key ?? 'config.providers', (error as Error).message)
    return given
  }
}

async function sourceProblems(
  definition: ConnectorDefinition,
  values: Readonly<Record<string, unknown>>,
  config: Readonly<Record<string, string>>,
  worker: WorkerConfig,
): Promise<Map<string, string[]>> {
  const problems = new Map<string, string[]>()
  if (definition.kind !== 'source') return problems
  const decides = (config['transaction.boundary'] ?? 'poll').toLowerCase() === 'connector'
  if (decides && !(await says(() => definition.transactionBoundaries?.(values as never))))
    problems.set('transaction.boundary', [
      'The connector does not support connector-defined transaction boundaries with the given configuration. Please reconfigure it to use a different transaction boundary definition.',
    ])
  if ((config['exactly.once.support'] ?? 'requested').toLowerCase() !== 'required') return problems
  if (worker.values['exactly.once.source.support'].toLowerCase() !== 'enabled')
    problems.set('exactly.once.support', ['This worker does not have exactly-once source support enabled.'])
  else if (producesElsewhere(config))
    problems.set('exactly.once.support', [
      'Records go to another Kafka than that of the worker (producer.override.bootstrap.servers), which keeps the offsets: at least once. Run a worker at that Kafka instead.',
    ])
  else if (!(await says(() => definition.exactlyOnce?.(values as never))))
    problems.set('exactly.once.support', ['The connector does not support exactly-once semantics with the provided configuration.'])
  return problems
}

/** What a connector cannot say because it throws, such as of values that are refused, it does not promise. */
async function says(question: () => boolean | Promise<boolean> | undefined): Promise<boolean> {
  try {
    return (await question()) === true
  } catch {
    return false
  }
}

/** Why the connector's tasks cannot act as its principal; null: they can, or it has none. */
async function principalRefused(config: Readonly<Record<string, string>>, acting: Acting): Promise<string | null> {
  const { principal } = config
  if (principal === undefined) return null
  if (Object.keys(config).some(key => /^(?:producer|consumer)\.override\.sasl\./.test(key)))
    return 'A connector has either a principal or a login of its own in producer.override.sasl.* and consumer.override.sasl.*'
  try {
    const actor = await acting.as(principal)
    actor?.release()
    return null
  } catch (error) {
    if (error instanceof CannotAct) return error.message
    throw error
  }
}

const logins: readonly string[] = ['security.protocol', 'sasl.jaas.config', 'sasl.mechanism']

/** What a connector overrides in its clients, and must not. */
function* forbiddenOverrides(config: Readonly<Record<string, string>>, { values }: WorkerConfig): Generator<[string, string]> {
  const policy = values['connector.client.config.override.policy'].replace(/^.*\.|ConnectorClientConfigOverridePolicy$/g, '')
  if (policy.toLowerCase() === 'all') return
  for (const key of Object.keys(config)) {
    const name = /^(?:producer|consumer|admin)\.override\.(.+)$/.exec(key)?.[1]
    if (name !== undefined && !(policy.toLowerCase() === 'principal' && logins.includes(name)))
      yield [key, `The '${policy}' policy does not allow '${name}' to be overridden in the connector configuration.`]
  }
}

/** A connector of another package reads its keys in its own thread. */
async function readElsewhere(
  definition: ConnectorDefinition,
  values: Readonly<Record<string, unknown>>,
  errors: ReadonlyMap<string, string[]>,
  add: (key: string, error: string) => void,
): Promise<void> {
  try {
    for (const [key, problem] of await foreignProblems(definition, values)) if (!errors.has(key)) add(key, problem)
  } catch (error) {
    add('connector.class', `The connector could not read its configuration: ${(error as Error).message}`)
  }
}

/** What the connector's own keys alone cannot say; only of values that each are right. */
async function checkOwn(
  definition: ConnectorDefinition,
  values: Readonly<Record<string, unknown>>,
  errors: ReadonlyMap<string, string[]>,
  add: (key: string, error: string) => void,
  { timers }: System,
): Promise<void> {
  if (definition.check === undefined || Object.keys(definition.config).some(key => errors.has(key))) return
  const late = new Promise<ReadonlyMap<string, string>>(resolve => {
    timers.after(checkMs, () => resolve(new Map([['connector.class', 'The connector did not check its configuration in time']])))
  })
  try {
    const checking = Promise.resolve(definition.check(values as never))
    for (const [key, problem] of await Promise.race([checking, late])) add(key, problem)
  } catch (error) {
    add('connector.class', `The connector could not check its configuration: ${(error as Error).message}`)
  }
}

/** What a form shows, and nothing depends on. */
async function recommendedBy(
  definition: ConnectorDefinition,
  values: Readonly<Record<string, unknown>>,
): Promise<ReadonlyMap<string, readonly string[]>> {
  try {
    return (await definition.recommend?.(values as never)) ?? new Map()
  } catch {
    return new Map()
  }
}

function infosOf(
  name: string,
  described: ReadonlyMap<string, Described>,
  given: Config,
  resolved: Readonly<Record<string, string>>,
  errors: ReadonlyMap<string, string[]>,
  recommended: ReadonlyMap<string, readonly string[]>,
): ConfigInfos {
  const configs: ConfigInfos['configs'][number][] = []
  const infoOf = (key: string, value: string | null): ValueInfo => ({
    name: key,
    value,
    recommended_values: recommended.get(key) ?? converterNames(key) ?? described.get(key)?.declared.words ?? classesFor(key),
    errors: errors.get(key) ?? [],
    visible: true,
  })
  for (const definition of keyInfosOf(described)) {
    const { name: key } = definition
    const required = definition.required || (errors.get(key) ?? []).some(isMissing)
    const value = infoOf(key, shownValue(key, described.get(key)!.declared, given[key], resolved[key]))
    configs.push({ definition: { ...definition, required }, value })
  }
  for (const key of errors.keys()) if (!described.has(key)) configs.push({ definition: null, value: infoOf(key, null) })
  const count = configs.reduce((sum, { value }) => sum + value.errors.length, 0)
  return {
    name,
    error_count: count,
    groups: [...new Set(Array.from(described.values(), each => each.group).filter(each => each !== null))],
    configs,
  }
}

/** null: the key names none. */
function converterNames(key: string): string[] | null {
  if (!/^(?:key|value|header)\.converter$/.test(key)) return null
  const fits = ({ short, forHeaders }: { short: string; forHeaders: boolean }) =>
    key.startsWith('header') ? forHeaders : short !== 'simple'
  return [
    ...new Set(
      converterClasses()
        .filter(fits)
        .map(each => each.short),
    ),
  ]
}

/** Of a transform or a predicate. */
function classesFor(key: string): string[] {
  const kind = /^(transforms|predicates)\.[^.]+\.type$/.exec(key)?.[1]
  return kind === undefined ? [] : transformClasses(kind as 'transforms' | 'predicates').map(({ name }) => name)
}

const isMissing = (error: string) => error.startsWith('Missing required configuration')

function shownValue(key: string, declared: ConfigKey, given: string | null | undefined, resolved: string | undefined): string | null {
  if (given === undefined || given === null) return declared.default
  if (declared.type === 'PASSWORD' || secretsWithin(key, given).length > 0) return hidden
  // What a provider gives may be a secret.
  if (given !== resolved) return given
  try {
    return declared.parse(given).text
  } catch {
    return isSecret(key) ? hidden : given
  }
}

export function keyInfo(name: string, declared: ConfigKey, group: string | null, order: number, required: boolean): KeyInfo {
  const { title, width } = formOf(name)
  return {
    name,
    type: declared.type,
    required,
    default_value: declared.default,
    importance: declared.importance.toUpperCase(),
    documentation: declared.doc,
    group,
    order_in_group: order,
    width,
    display_name: title,
    dependents: [],
  }
}

/** Of a connector, of those of all connectors and its own. */
export function keyInfos(definition: ConnectorDefinition): KeyInfo[] {
  return keyInfosOf(describe(definition, {}))
}

/** Each in its place within its group. */
function keyInfosOf(described: ReadonlyMap<string, Described>): KeyInfo[] {
  const orders = new Map<string | null, number>()
  return Array.from(described, ([key, { declared, group, required }]) => {
    const order = formOf(key).order ?? (orders.get(group) ?? 0) + 1
    // Behind a type there is room for its version, as in Kafka Connect.
    orders.set(group, Math.max(order, 1))
    return keyInfo(key, declared, group, order, required)
  })
}
