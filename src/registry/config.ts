/** What is configured for a subject, a context, or all of them. */

import { errors } from './errors.ts'
import { type Level, levels } from './levels.ts'
import {
  type Metadata,
  printMetadata,
  printRuleSet,
  type RuleSet,
  readMetadata,
  readRuleSet,
  validateRuleSet,
  withoutEmpty,
} from './metadata.ts'

export interface Config {
  readonly alias: string | null
  readonly aliasForDeks: string | null
  readonly normalize: boolean | null
  readonly validateFields: boolean | null
  readonly validateNewSchemas: boolean | null
  readonly validateRules: boolean | null
  readonly compatibilityLevel: Level | null
  readonly compatibilityPolicy: string | null
  readonly compatibilityGroup: string | null
  readonly defaultMetadata: Metadata | null
  readonly overrideMetadata: Metadata | null
  readonly defaultRuleSet: RuleSet | null
  readonly overrideRuleSet: RuleSet | null
}

export const defaultLevel: Level = 'BACKWARD'

export const emptyConfig: Config = {
  alias: null,
  aliasForDeks: null,
  normalize: null,
  validateFields: null,
  validateNewSchemas: null,
  validateRules: null,
  compatibilityLevel: null,
  compatibilityPolicy: null,
  compatibilityGroup: null,
  defaultMetadata: null,
  overrideMetadata: null,
  defaultRuleSet: null,
  overrideRuleSet: null,
}

const texts = ['alias', 'aliasForDeks', 'compatibilityGroup'] as const
const flags = ['normalize', 'validateFields', 'validateNewSchemas', 'validateRules'] as const

/** From a record. */
export function configFrom(json: Record<string, unknown>): Config {
  return changeOf({ ...json, compatibility: json['compatibilityLevel'] }, emptyConfig)
}

/** `json`: a request; what it does not name stays, what is null goes. Throws HttpError. */
export function changedConfig(json: Record<string, unknown>, before: Config | null): Config {
  const config = changeOf(json, before ?? emptyConfig)
  validateRuleSet(config.defaultRuleSet)
  validateRuleSet(config.overrideRuleSet)
  return config
}

function changeOf(json: Record<string, unknown>, before: Config): Config {
  const given = <Value>(name: string, old: Value, read: (value: unknown) => Value): Value =>
    json[name] === undefined ? old : read(json[name])
  const text = (value: unknown) => (typeof value === 'string' ? value : null)
  const changed: Record<string, unknown> = { ...before }
  for (const name of texts) changed[name] = given(name, before[name], text)
  for (const name of flags) changed[name] = given(name, before[name], value => (typeof value === 'boolean' ? value : null))
  changed['compatibilityLevel'] = given('compatibility', before.compatibilityLevel, readLevel)
  changed['compatibilityPolicy'] = given('compatibilityPolicy', before.compatibilityPolicy, value => text(value)?.toUpperCase() ?? null)
  changed['defaultMetadata'] = given('defaultMetadata', before.defaultMetadata, readMetadata)
  changed['overrideMetadata'] = given('overrideMetadata', before.overrideMetadata, readMetadata)
  changed['defaultRuleSet'] = given('defaultRuleSet', before.defaultRuleSet, readRuleSet)
  changed['overrideRuleSet'] = given('overrideRuleSet', before.overrideRuleSet, readRuleSet)
  return changed as unknown as Config
}

function readLevel(value: unknown): Level | null {
  if (value === null) return null
  const level = levels.find(each => typeof value === 'string' && each === value.toUpperCase())
  if (level === undefined) throw errors.invalidCompatibility()
  return level
}

/** As in records, and as GET answers. */
export function printConfig(config: Config): object {
  return withoutEmpty({
    ...config,
    defaultMetadata: config.defaultMetadata === null ? null : printMetadata(config.defaultMetadata),
    overrideMetadata: config.overrideMetadata === null ? null : printMetadata(config.overrideMetadata),
    defaultRuleSet: config.defaultRuleSet === null ? null : printRuleSet(config.defaultRuleSet),
    overrideRuleSet: config.overrideRuleSet === null ? null : printRuleSet(config.overrideRuleSet),
  })
}

/** As PUT answers. */
export function printUpdate(config: Config): object {
  const { compatibilityLevel, ...rest } = printConfig(config) as Record<string, unknown>
  return compatibilityLevel === undefined ? rest : { ...rest, compatibility: compatibilityLevel }
}

/** Of a subject, with what only the global one says. */
export function mergedConfig(global: Config, own: Config): Config {
  return {
    ...own,
    normalize: own.normalize ?? global.normalize,
    validateFields: own.validateFields ?? global.validateFields,
    validateNewSchemas: own.validateNewSchemas ?? global.validateNewSchemas,
    validateRules: own.validateRules ?? global.validateRules,
    compatibilityPolicy: own.compatibilityPolicy ?? global.compatibilityPolicy,
    compatibilityGroup: own.compatibilityGroup ?? global.compatibilityGroup,
  }
}

export function hasDefaultsOrOverrides({ defaultMetadata, overrideMetadata, defaultRuleSet, overrideRuleSet }: Config): boolean {
  return defaultMetadata !== null || overrideMetadata !== null || defaultRuleSet !== null || overrideRuleSet !== null
}
