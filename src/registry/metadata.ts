/** What is stored with a schema besides its text: metadata, and rules for its data. The registry keeps them and does not run them. */
import type { Hash } from 'node:crypto'
import { HttpError } from '../http.ts'

export interface Metadata {
  readonly tags: Readonly<Record<string, readonly string[]>>
  readonly properties: Readonly<Record<string, string>>
  readonly sensitive: readonly string[]
}

export interface Rule {
  readonly name: string
  readonly doc?: string
  readonly kind: string
  readonly mode: string
  readonly type: string
  readonly tags?: readonly string[]
  readonly params?: Readonly<Record<string, string>>
  readonly expr?: string
  readonly onSuccess?: string
  readonly onFailure?: string
  readonly disabled: boolean
}

export interface RuleSet {
  readonly migrationRules: readonly Rule[]
  readonly domainRules: readonly Rule[]
  readonly encodingRules: readonly Rule[]
  readonly enableAt: string | null
}

const migrations = ['UPGRADE', 'DOWNGRADE', 'UPDOWN']
const others = ['WRITE', 'READ', 'WRITEREAD']
const versionProperty = 'confluent:version'

/** In one order, without unknown properties; null: there is nothing. Throws HttpError. */
export function readMetadata(json: unknown): Metadata | null {
  if (json === null || json === undefined) return null
  const { tags, properties, sensitive } = asObject(json, 'metadata')
  return {
    tags: sorted(tags, each => asList(each, 'tags').map(asText).sort()),
    properties: sorted(properties, asText),
    sensitive: [...new Set(asList(sensitive, 'sensitive').map(asText))].sort(),
  }
}

/** Throws HttpError. */
export function readRuleSet(json: unknown): RuleSet | null {
  if (json === null || json === undefined) return null
  const { migrationRules, domainRules, encodingRules, enableAt } = asObject(json, 'ruleSet')
  const rules = (list: unknown) => asList(list, 'rules').map(readRule)
  return {
    migrationRules: rules(migrationRules),
    domainRules: rules(domainRules),
    encodingRules: rules(encodingRules),
    enableAt: typeof enableAt === 'string' ? enableAt : null,
  }
}

/** Throws HttpError 42210. */
export function validateRuleSet(ruleSet: RuleSet | null): void {
  if (ruleSet === null) return
  const names = new Set<string>()
  for (const [rules, modes] of [
    [ruleSet.migrationRules, migrations],
    [[...ruleSet.domainRules, ...ruleSet.encodingRules], others],
  ] as const)
    for (const { name, mode, type } of rules) {
      if (name === '') refuse('Rule name must be specified')
      if (names.has(name)) refuse(`Found rule with duplicate name '${name}'`)
      names.add(name)
      if (type === '') refuse(`Rule type of '${name}' must be specified`)
      if (!modes.includes(mode)) refuse(`The mode of rule '${name}' can only be ${modes.join(', ')}`)
    }
}

function refuse(message: string): never {
  throw new HttpError(422, 42_210, message)
}

function readRule(json: unknown): Rule {
  const rule = asObject(json, 'rule')
  const text = (name: string) => (typeof rule[name] === 'string' ? { [name]: rule[name] as string } : {})
  return {
    name: '',
    ...text('name'),
    ...text('doc'),
    kind: typeof rule['kind'] === 'string' ? rule['kind'].toUpperCase() : 'TRANSFORM',
    mode: typeof rule['mode'] === 'string' ? rule['mode'].toUpperCase() : 'WRITEREAD',
    type: '',
    ...text('type'),
    ...(rule['tags'] === undefined || rule['tags'] === null ? {} : { tags: asList(rule['tags'], 'tags').map(asText).sort() }),
    ...(rule['params'] === undefined || rule['params'] === null ? {} : { params: sorted(rule['params'], asText) }),
    ...text('expr'),
    ...text('onSuccess'),
    ...text('onFailure'),
    disabled: rule['disabled'] === true,
  }
}

/** Without what is empty, as Confluent writes it. */
export function printMetadata(metadata: Metadata): object {
  return withoutEmpty({ tags: metadata.tags, properties: metadata.properties, sensitive: metadata.sensitive })
}

export function printRuleSet(ruleSet: RuleSet): object {
  return withoutEmpty({
    migrationRules: ruleSet.migrationRules.map(withoutEmpty),
    domainRules: ruleSet.domainRules.map(withoutEmpty),
    encodingRules: ruleSet.encodingRules.map(withoutEmpty),
    enableAt: ruleSet.enableAt,
  })
}

/** As Jackson's NON_EMPTY. */
export function withoutEmpty(json: object): object {
  const isEmpty = (value: unknown) =>
    value === null || value === undefined || value === '' || (typeof value === 'object' && Object.keys(value).length === 0)
  return Object.fromEntries(Object.entries(json).filter(([, value]) => !isEmpty(value)))
}

export function hashMetadata(hash: Hash, metadata: Metadata | null, ruleSet: RuleSet | null): void {
  if (metadata !== null) {
    hash.update(Buffer.of(1))
    for (const name of Object.keys(metadata.tags).sort()) for (const each of [name, ...metadata.tags[name]!]) hash.update(each)
    for (const name of Object.keys(metadata.properties).sort()) hash.update(name).update(metadata.properties[name]!)
    for (const each of metadata.sensitive) hash.update(each)
  }
  if (ruleSet === null) return
  hash.update(Buffer.of(1))
  for (const rule of [...ruleSet.migrationRules, ...ruleSet.domainRules, ...ruleSet.encodingRules]) hashRule(hash, rule)
  if (ruleSet.enableAt !== null) hash.update(ruleSet.enableAt)
}

function hashRule(hash: Hash, rule: Rule): void {
  const add = (text: string | undefined) => void (text === undefined || hash.update(text))
  for (const text of [rule.name, rule.doc, rule.kind, rule.mode, rule.type]) add(text)
  for (const tag of rule.tags ?? []) add(tag)
  for (const name of Object.keys(rule.params ?? {}).sort()) hash.update(name).update(rule.params![name]!)
  for (const text of [rule.expr, rule.onSuccess, rule.onFailure]) add(text)
  if (rule.disabled) hash.update(Buffer.of(1))
}

/** `later` wins. */
export function mergeMetadata(earlier: Metadata | null, later: Metadata | null): Metadata | null {
  if (earlier === null || later === null) return later ?? earlier
  return {
    tags: sorted({ ...earlier.tags, ...later.tags }, each => each as string[]),
    properties: sorted({ ...earlier.properties, ...later.properties }, String),
    sensitive: [...new Set([...earlier.sensitive, ...later.sensitive])].sort(),
  }
}

export function mergeRuleSets(earlier: RuleSet | null, later: RuleSet | null): RuleSet | null {
  if (earlier === null || later === null) return later ?? earlier
  const merge = (a: readonly Rule[], b: readonly Rule[]) => [...a.filter(old => !b.some(({ name }) => name === old.name)), ...b]
  return {
    migrationRules: merge(earlier.migrationRules, later.migrationRules),
    domainRules: merge(earlier.domainRules, later.domainRules),
    encodingRules: merge(earlier.encodingRules, later.encodingRules),
    enableAt: later.enableAt ?? earlier.enableAt,
  }
}

export function versionIn(metadata: Metadata | null): string | null {
  return metadata !== null && Object.hasOwn(metadata.properties, versionProperty) ? metadata.properties[versionProperty]! : null
}

/** `version` null: without. */
export function withVersion(metadata: Metadata | null, version: number | null): Metadata | null {
  const { [versionProperty]: _, ...rest } = metadata?.properties ?? {}
  const properties = version === null ? rest : { ...rest, [versionProperty]: String(version) }
  const { tags, sensitive } = metadata ?? { tags: {}, sensitive: [] }
  return { tags, sensitive, properties: sorted(properties, String) }
}

function asObject(json: unknown, what: string): Record<string, unknown> {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>
  throw new HttpError(422, 42_201, `${what} is not an object`)
}

function asList(json: unknown, what: string): unknown[] {
  if (json === null || json === undefined) return []
  if (Array.isArray(json)) return json
  throw new HttpError(422, 42_201, `${what} is not an array`)
}

/** Numbers and the like count as texts, as by Confluent's registry. */
function asText(json: unknown): string {
  if (typeof json === 'object' && json !== null) throw new HttpError(422, 42_201, 'a text is an object or an array')
  return String(json)
}

function sorted<Value>(json: unknown, read: (value: unknown) => Value): Record<string, Value> {
  if (json === null || json === undefined) return {}
  const entries = Object.entries(asObject(json, 'a map')).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, value]) => [name, read(value)]))
}
