/**
 * Single message transforms and their predicates: Kafka's own, with its keys and error texts, and ours in CEL and JavaScript.
 *
 * A configuration lists aliases in `transforms` and `predicates`, and says under `transforms.ALIAS.` and `predicates.ALIAS.` what each does. Types are Java's
 * class names, or short: `Cast$Value`.
 */
import {
  boolean,
  type ConfigKey,
  className,
  type Declarations,
  didYouMean,
  InvalidConfig,
  missingConfig,
  readValue,
  type System,
  splitList,
  string,
} from '../base.ts'
import type { ConnectRecord } from '../connector.ts'
import { type Config, type PluginClass, readKeys, refuseUnder, valuesOf } from './plugin-config.ts'
import { predicates, transforms } from './transforms/list.ts'
import {
  keyPart,
  type Part,
  type Predicate,
  type PredicateDefinition,
  type Transform,
  type TransformDefinition,
  valuePart,
} from './transforms/transform.ts'

export interface Transforms {
  /** All records stay as they are. */
  readonly isEmpty: boolean
  /** null: dropped. Throws {@link TransformError}. */
  apply<R extends ConnectRecord>(record: R): R | null
  close(): void
}

/** One record cannot be transformed; `cause` is a DataError unless the transform itself is at fault. The message is the cause's. */
export class TransformError extends Error {
  readonly alias: string
  /** Java's, as dead letters name it. */
  readonly className: string

  constructor(alias: string, name: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.name = 'TransformError'
    this.alias = alias
    this.className = name
  }
}

export interface TransformResources {
  readonly system: System
}

type Kind = 'transforms' | 'predicates'

const kafkas = 'org.apache.kafka.connect.transforms.'

interface Found {
  readonly definition: TransformDefinition | PredicateDefinition
  readonly part: Part
  /** In full. */
  readonly name: string
}

/** All classes of one kind, for lists of plugins. */
export function transformClasses(kind: Kind): PluginClass[] {
  return classesOf(kind).map(({ name, definition: { keys, summary } }) => ({ name, keys, summary }))
}

function classesOf(kind: Kind): Found[] {
  const folder = kind === 'predicates' ? 'predicates.' : ''
  const list: readonly (TransformDefinition | PredicateDefinition)[] = kind === 'transforms' ? transforms : predicates
  return list.flatMap(definition => {
    const name = (definition.package ?? kafkas + folder) + definition.name
    if (!('sides' in definition) || !definition.sides) return [{ definition, part: valuePart, name }]
    return [keyPart, valuePart].map(part => ({ definition, part, name: `${name}$${part.name === 'key' ? 'Key' : 'Value'}` }))
  })
}

/** Throws InvalidConfig. */
function find(kind: Kind, config: Config, alias: string): Found {
  const key = `${kind}.${alias}.type`
  const type = config.get(key)?.trim()
  if (type === undefined || type === '') throw missingConfig(key)
  const classes = classesOf(kind)
  const found = classes.find(({ name }) => name === type || name.slice(name.lastIndexOf('.') + 1) === type)
  if (found !== undefined) return found
  const sided = classes.find(
    ({ name }) => name.replace(/\$\w+$/, '') === type || name.slice(name.lastIndexOf('.') + 1).replace(/\$\w+$/, '') === type,
  )
  if (sided !== undefined)
    throw new InvalidConfig(key, type, `This class is abstract and cannot be created: say ${type}$Key or ${type}$Value.`)
  const meant = didYouMean(
    type,
    classes.map(({ name }) => name.slice(name.lastIndexOf('.') + 1)),
  )
  throw new InvalidConfig(key, type, `Class ${type} could not be found${meant || '.'}`)
}

function aliasesOf(kind: Kind, config: Config): string[] {
  return [...new Set(splitList(config.get(kind) ?? ''))].filter(alias => alias !== '')
}

const implicit = {
  negate: boolean({ default: false, doc: 'Whether those for which the predicate does not hold are transformed instead.' }),
  predicate: string({ default: null, doc: 'The alias of a predicate: only records for which it holds are transformed.' }),
}

/** Keys of all aliases in this configuration, to be shown and checked. Of an alias whose type is unknown, the type only. */
export function transformKeys(config: Config): Map<string, ConfigKey> {
  const keys = new Map<string, ConfigKey>()
  const add = (prefix: string, declarations: Declarations) => {
    for (const [key, declared] of Object.entries(declarations)) keys.set(prefix + key, declared)
  }
  for (const kind of ['transforms', 'predicates'] as const) {
    for (const alias of aliasesOf(kind, config)) {
      const prefix = `${kind}.${alias}.`
      const noun = kind === 'transforms' ? 'transformation' : 'predicate'
      const type = className({ required: true, mayBeEmpty: true, importance: 'high', doc: `Class for the '${alias}' ${noun}.` })
      add(prefix, { type })
      const found = definitionIfFound(kind, config, alias)
      if (found !== null) add(prefix, found.keys)
      if (kind === 'transforms') add(prefix, implicit)
    }
  }
  return keys
}

function definitionIfFound(kind: Kind, config: Config, alias: string): TransformDefinition | PredicateDefinition | null {
  try {
    return find(kind, config, alias).definition
  } catch (error) {
    if (error instanceof InvalidConfig) return null
    throw error
  }
}

/** Whether there are scripts or expressions, which take their time, or as long as their author likes. */
export function runsCode(config: Config): boolean {
  return (['transforms', 'predicates'] as const).some(kind =>
    aliasesOf(kind, config).some(alias => definitionIfFound(kind, config, alias)?.isCode === true),
  )
}

/** What is wrong, by key, in Kafka's words. */
export async function transformProblems(config: Config, resources: TransformResources): Promise<ReadonlyMap<string, readonly string[]>> {
  const problems = new Map<string, string[]>()
  const add = ({ key, message }: InvalidConfig) => problems.set(key, [...(problems.get(key) ?? []), message])
  const attempt = async (work: () => unknown) => {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof InvalidConfig)) throw error
      add(error)
    }
  }
  for (const kind of ['transforms', 'predicates'] as const) {
    await attempt(() => requireDistinct(kind, config))
    for (const alias of aliasesOf(kind, config)) {
      await attempt(async () => {
        const found = find(kind, config, alias)
        const unread = readKeys(found.definition, `${kind}.${alias}.`, config).problems
        unread.forEach(add)
        if (kind === 'transforms') await attempt(() => conditionOf(config, alias))
        if (unread.length > 0) return
        const opened = await openFound(found, `${kind}.${alias}.`, config, resources)
        if ('close' in opened) opened.close?.()
      })
    }
  }
  return problems
}

function requireDistinct(kind: Kind, config: Config): void {
  const given = splitList(config.get(kind) ?? '')
  if (new Set(given).size < given.length) throw new InvalidConfig(kind, `[${given.join(', ')}]`, 'Duplicate alias provided.')
}

/** Which predicate decides, and how; null: none. Throws InvalidConfig. */
function conditionOf(config: Config, alias: string): { predicate: string; negate: boolean } | null {
  const prefix = `transforms.${alias}.`
  const predicate = config.get(`${prefix}predicate`)
  const negate = config.get(`${prefix}negate`)
  if (predicate === undefined) {
    if (negate === undefined) return null
    const reason = `Config '${prefix}negate' was provided but there is no config '${prefix}predicate' defining a predicate to be negated.`
    throw new InvalidConfig(`${prefix}type`, config.get(`${prefix}type`) ?? null, reason, reason)
  }
  if (!aliasesOf('predicates', config).includes(predicate))
    throw new InvalidConfig(`${prefix}predicate`, predicate, "the key 'predicates' does not list it")
  return { predicate, negate: readValue(`${prefix}negate`, implicit.negate, negate) }
}

async function openFound(
  { definition, part }: Found,
  prefix: string,
  config: Config,
  { system }: TransformResources,
): Promise<Transform | Predicate> {
  const values = valuesOf(definition, prefix, config)
  return definition.open(values as never, { part, system, refuse: refuseUnder(prefix) })
}

interface Stage {
  readonly alias: string
  readonly name: string
  readonly transform: Transform
  readonly predicate: Predicate | null
  readonly negate: boolean
}

/** Throws InvalidConfig. Scripts and expressions are loaded, which takes a moment. */
export async function openTransforms(config: Config, resources: TransformResources): Promise<Transforms> {
  requireDistinct('transforms', config)
  const stages: Stage[] = []
  const close = () => {
    for (const { transform } of stages) transform.close?.()
  }
  try {
    for (const alias of aliasesOf('transforms', config)) stages.push(await openStage(config, alias, resources))
  } catch (error) {
    close()
    throw error
  }
  return {
    isEmpty: stages.length === 0,
    apply: record => {
      let current: ConnectRecord | null = record
      for (const stage of stages) {
        current = applyStage(stage, current)
        if (current === null) return null
      }
      // Transforms copy what they do not know, so that it is still a record of a sink or source.
      return current as typeof record
    },
    close,
  }
}

async function openStage(config: Config, alias: string, resources: TransformResources): Promise<Stage> {
  const condition = conditionOf(config, alias)
  const predicate =
    condition === null
      ? null
      : ((await openFound(
          find('predicates', config, condition.predicate),
          `predicates.${condition.predicate}.`,
          config,
          resources,
        )) as Predicate)
  const found = find('transforms', config, alias)
  const transform = (await openFound(found, `transforms.${alias}.`, config, resources)) as Transform
  return { alias, name: found.name, transform, predicate, negate: condition?.negate === true }
}

function applyStage({ alias, name, transform, predicate, negate }: Stage, record: ConnectRecord): ConnectRecord | null {
  try {
    return predicate === null || predicate.test(record) !== negate ? transform.apply(record) : record
  } catch (error) {
    throw new TransformError(alias, name, error)
  }
}
