/** In which part of the form each key stands, and which are shown at first. */
import type { Output } from '../../api.ts'

export type Checked = Output<'POST /connector-plugins/:class/check'>
export type Key = Checked['keys'][number]

export interface Section {
  title: string
  keys: readonly Key[]
}

/** Of one transform or predicate. */
export interface AliasSection extends Section {
  family: 'transforms' | 'predicates'
  alias: string
}

/** Said above the form. */
const elsewhere = new Set(['name', 'connector.class', 'transforms', 'predicates'])

const places: readonly [pattern: RegExp, title: string][] = [
  [/^(?:topics|topics\.regex|tasks\.max)$/, 'Topics and tasks'],
  [/^(?:key|value|header)\.converter(?:\.|$)/, 'Format of the records'],
  [/^errors\./, 'Records that cannot be processed'],
]
const others = 'More of every connector'

/** What a connector has of its own comes after the topics. */
export function sectionsOf({ keys }: Checked, own: string): { sections: Section[]; aliases: AliasSection[] } {
  const byTitle = new Map<string, Key[]>([
    ['Topics and tasks', []],
    [own, []],
  ])
  const aliases = new Map<string, AliasSection & { keys: Key[] }>()
  for (const key of keys) {
    if (key.type === null || elsewhere.has(key.name)) continue
    const found = /^(transforms|predicates)\.([^.]+)\./.exec(key.name)
    if (found !== null) {
      const [family, alias] = [found[1] as AliasSection['family'], found[2]!]
      const section = aliases.get(`${family} ${alias}`) ?? { family, alias, title: alias, keys: [] }
      section.keys.push(key)
      aliases.set(`${family} ${alias}`, section)
      continue
    }
    const title = places.find(([pattern]) => pattern.test(key.name))?.[1] ?? (isCommon(key) ? others : own)
    byTitle.set(title, [...(byTitle.get(title) ?? []), key])
  }
  const [topics] = byTitle.values()
  // What is read comes first.
  topics!.sort((a, b) => Number(b.name.startsWith('topics')) - Number(a.name.startsWith('topics')))
  const rest = byTitle.get(others)
  byTitle.delete(others)
  const sections = Array.from(byTitle, ([title, of]) => ({ title, keys: of })).filter(each => each.keys.length > 0)
  return { sections: rest === undefined ? sections : [...sections, { title: others, keys: rest }], aliases: [...aliases.values()] }
}

/** Kafka Connect's groups of the keys that all connectors have. */
const commonGroups = new Set([
  'Common',
  'Transforms',
  'Predicates',
  'Error Handling',
  'Topic Creation',
  'Exactly Once Support',
  'offsets.topic',
])

function isCommon({ group }: Key): boolean {
  return group !== null && commonGroups.has(group)
}

export function isShownAtFirst({ name, required, importance, errors }: Key, config: Readonly<Record<string, string>>): boolean {
  // Converters have many keys that hardly anybody changes.
  const matters = (importance === 'HIGH' || isLogin(name)) && !/^(?:key|value|header)\.converter\./.test(name)
  return required || matters || /^(?:key|value)\.converter$/.test(name) || errors.length > 0 || (config[name] ?? '') !== ''
}

/** Few targets take everybody. */
function isLogin(name: string): boolean {
  return /(?:^|[._])(?:user|username|password)$/.test(name) && !/ssl/.test(name)
}

/** In the configuration, but no key that the worker knows. */
export function unknownKeys({ keys }: Checked, config: Readonly<Record<string, string>>): string[] {
  const known = new Set(keys.filter(each => each.type !== null).map(each => each.name))
  return Object.keys(config).filter(key => !known.has(key) && !elsewhere.has(key))
}

/** Of a Java class, what says something. */
export function shortClass(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}
