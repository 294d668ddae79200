/**
 * Secrets of configurations: the API shows them as hidden, and who sends that back keeps what is stored.
 *
 * They are kept only for whom they were given, that is as long as no key has changed that says where they go: whoever may change a connector need not know its passwords,
 * and would learn them if they went to another server.
 */
import { type ConfigKey, type Declarations, isSecret } from '../base.ts'
import { badRequest } from './herder/errors.ts'
import type { Plugins } from './plugins.ts'
import type { Config } from './stores/config-state.ts'
import type { ConfigInfos } from './validate.ts'

/** As the API shows a value that must not be seen; sent back, it stands for the value that is stored. */
export const hidden = '[hidden]'

/** Without what must not be seen, of whatever class it was. What a provider is asked for is no secret. */
export function withoutSecrets(config: Config, plugins: Plugins): Config {
  const shown: Record<string, string | null> = {}
  for (const [key, value] of Object.entries(config)) {
    const isHidden = value !== null && value !== '' && plugins.isSecret(key, value) && !/^\$\{[^}]+\}$/.test(value)
    shown[key] = isHidden ? hidden : value
  }
  return shown
}

/** A configuration with what is stored in place of what was hidden. */
export interface Filled {
  readonly config: Config
  /** Hidden values that are not kept, each with the reason; the configuration is without them. */
  readonly lost: ReadonlyMap<string, string>
}

/** `stored`: null if there is no such connector. */
export async function filled(config: Config, stored: Config | null, plugins: Plugins): Promise<Filled> {
  const lost = new Map<string, string>()
  const wanted = Object.keys(config).filter(key => config[key] === hidden)
  if (wanted.length === 0) return { config, lost }
  const changed = stored === null ? [] : await changedPlaces(config, stored, plugins)
  const whole: Record<string, string | null> = { ...config }
  for (const key of wanted) {
    const value = stored?.[key]
    const place = changed.find(each => each === 'connector.class' || familyOf(each) === familyOf(key))
    if (typeof value === 'string' && place === undefined) whole[key] = value
    else {
      delete whole[key]
      lost.set(key, typeof value === 'string' ? `${place} has changed` : 'this connector has none')
    }
  }
  return { config: whole, lost }
}

/** A preview reads nothing of the connector's own. Throws HttpError 400. */
export function forPreview({ config, lost }: Filled): Config {
  return withSecrets({ config, lost: new Map([...lost].filter(([key]) => familyOf(key) !== '')) })
}

/** To be stored. Throws HttpError 400. */
export function withSecrets({ config, lost }: Filled): Config {
  if (lost.size === 0) return config
  const each = Array.from(lost, ([key, reason]) => `${key}, because ${reason}`)
  throw badRequest(`Hidden values must be given again or removed: ${each.join('; ')}`)
}

/** Values that were given as hidden are not told instead of it; what is wrong with those that are not kept is that alone. */
export function asGiven(infos: ConfigInfos, given: Config, { lost }: Filled): ConfigInfos {
  const errorsOf = (reason: string) => [`The hidden value is not known here, because ${reason}: give it again, or remove it`]
  const told = infos.configs.map(({ definition, value }) => {
    if (given[value.name] !== hidden) return { definition, value }
    const place = lost.get(value.name)
    return { definition, value: { ...value, value: hidden, ...(place !== undefined && { errors: errorsOf(place) }) } }
  })
  const unknown = [...lost].filter(([key]) => told.every(({ value }) => value.name !== key))
  const rest = unknown.map(([name, place]) => ({
    definition: null,
    value: { name, value: hidden, recommended_values: [], errors: errorsOf(place), visible: true },
  }))
  const configs = [...told, ...rest]
  return { ...infos, error_count: configs.reduce((sum, { value }) => sum + value.errors.length, 0), configs }
}

/** Keys that say where secrets go, and whose values have changed. */
async function changedPlaces(config: Config, stored: Config, plugins: Plugins): Promise<string[]> {
  const before = stored['connector.class'] ?? ''
  if (!plugins.areSame(before, config['connector.class'] ?? '')) return ['connector.class']
  const declared = await declaredBy(before, plugins)
  // If no name tells, each text may be what says where.
  const tells = declared !== null && Object.keys(declared).some(saysWhere)
  const isPlace = (key: string) => saysWhere(key) || isPlugin(key) || (!tells && familyOf(key) === '' && mayBeAnywhere(declared, key))
  const keys = new Set([...Object.keys(stored), ...Object.keys(config)])
  return [...keys].filter(key => isPlace(key) && config[key] !== hidden && (config[key] ?? '') !== (stored[key] ?? ''))
}

/** null: they are not known. */
async function declaredBy(className: string, plugins: Plugins): Promise<Declarations | null> {
  try {
    return (await plugins.find(className).load()).config
  } catch {
    return null
  }
}

function mayBeAnywhere(declared: Declarations | null, key: string): boolean {
  if (declared === null) return true
  const { type, words } = declared[key] ?? ({} as Partial<ConfigKey>)
  return (type === 'STRING' || type === 'LIST' || type === 'CLASS') && words === null && !isSecret(key)
}

/** What has keys, and an address, of its own within a configuration; '': the connector itself. */
function familyOf(key: string): string {
  return (
    /^(?:(?:key|value|header)\.converter|(?:producer|consumer|admin)\.override|(?:transforms|predicates)\.[^.]+)(?=\.|$)/.exec(key)?.[0] ??
    ''
  )
}

/** It says what becomes of the secrets of its family. */
function isPlugin(key: string): boolean {
  return familyOf(key) !== '' && /(?:converter|^(?:transforms|predicates)\.[^.]+\.type)$/.test(key)
}

const addresses = /^(?:ur[il]s?|dsn|hosts?|hostname|ports?|servers?|endpoints?|address(?:es)?|brokers?|nodes?|proxy)$/
const proofs = /^(?:ssl.*|tls|insecure|cacert|verify|security)$/

/** An address, or how its owner proves who it is. Names tell, as of secrets. */
export function saysWhere(key: string): boolean {
  const words = key.split(/[._-]|(?<=[a-z])(?=[A-Z])/).map(word => word.toLowerCase())
  return words.some(word => addresses.test(word) || (proofs.test(word) && !isSecret(key)))
}
