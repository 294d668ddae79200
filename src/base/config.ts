/**
 * Declared configuration: each key is declared once, with its type, default, bounds and documentation; everything else derives from that.
 *
 * A scope (broker, topic, group, client-metrics) is a table `{ 'segment.bytes': int({ … }) }`. The TypeScript types of the values, parsing
 * and its error messages (Kafka's), DescribeConfigs, `millrace config explain` and the reference page derive from it. Values
 * are passed as text, as files, environments, flags, requests and stored records contain them; only {@link parseValue} turns text into a
 * value.
 */

/** Kafka's ConfigDef types; DescribeConfigs reports them. */
export type ConfigType = 'BOOLEAN' | 'STRING' | 'INT' | 'SHORT' | 'LONG' | 'DOUBLE' | 'LIST' | 'CLASS' | 'PASSWORD'
export type Importance = 'high' | 'medium' | 'low'
/** Whether it can change while the broker runs: not at all, for one broker, or also for all brokers at once. */
export type Dynamic = 'read-only' | 'per-broker' | 'cluster-wide'

/** Another key that gives the value when this one is not set, in units `factor` times as large. */
export interface Synonym {
  readonly name: string
  readonly factor: number
}

export interface ConfigKey<T = unknown> {
  readonly type: ConfigType
  readonly unit: 'bytes' | 'ms' | null
  /** Canonical text; null when there is none: the value must be given, or may be absent. */
  readonly default: string | null
  /** Whether it must be given. */
  readonly required: boolean
  /** What may be written, for people. */
  readonly allowed: string
  /** The only words that may be written, of lists between commas; null: it is not a matter of words. */
  readonly words: readonly string[] | null
  readonly doc: string
  readonly importance: Importance
  readonly dynamic: Dynamic
  /** Not null: Kafka's key is understood but changes nothing here, and this says why. */
  readonly accepted: string | null
  /** Tried in order when the key itself is not set; the key's own name is not among them. */
  readonly synonyms: readonly Synonym[]
  /** Throws {@link BadValue}. */
  readonly parse: (text: string) => Parsed<T>
}

export interface Parsed<T> {
  value: T
  /** Canonical: `+007` is `7`, `TRUE` is `true`. */
  text: string
}

export type Declarations = Readonly<Record<string, ConfigKey>>
export type ValueOf<K> = K extends ConfigKey<infer T> ? T : never
export type ValuesOf<D extends Declarations> = { readonly [K in keyof D]: ValueOf<D[K]> }

/** Why a text is not a valid value of its key; {@link InvalidConfig} adds the name of the key. */
class BadValue extends Error {
  /** As the error shows it, when the text was understood before it was refused. */
  readonly shown: string | null

  constructor(reason: string, shown: string | null = null) {
    super(reason)
    this.shown = shown
  }
}

/** Kafka's ConfigException, in its words. */
export class InvalidConfig extends Error {
  readonly key: string
  readonly value: string | null

  /** `sentence`: where Kafka does not begin with key and value. */
  constructor(key: string, value: string | null, reason: string, sentence = `Invalid value ${value} for configuration ${key}: ${reason}`) {
    super(sentence)
    this.name = 'InvalidConfig'
    this.key = key
    this.value = value
  }
}

/** No such key. `suggestion` is the known key that looks most like it. */
export class UnknownConfig extends Error {
  readonly key: string

  constructor(scope: string, key: string, known: Iterable<string>) {
    const suggestion = nearestName(key, known)
    super(`Unknown ${scope} config name: ${key}${suggestion === null ? '' : `. Did you mean ${suggestion}?`}`)
    this.name = 'UnknownConfig'
    this.key = key
  }
}

interface Spec {
  doc: string
  importance?: Importance
  dynamic?: Dynamic
  accepted?: string
  synonyms?: readonly (string | readonly [name: string, factor: number])[]
}

/** A key that must be given has no default. A text or a list is not empty then, unless it may be. */
type OrRequired<D> = { default: D; required?: false } | { default?: never; required: true; mayBeEmpty?: boolean }

type NumberSpec<D> = Spec & Bounds & OrRequired<D>

/** Defaults are texts where a number cannot hold them exactly (Long.MAX_VALUE). */
interface Bounds {
  min?: number
  max?: number
  /** A value that is allowed although it is outside `min` and `max`; then both must be given. */
  or?: number
  unit?: 'bytes' | 'ms'
  check?: (value: number) => string | null
}

type TextSpec<D> = Spec & Words & OrRequired<D>

interface Words {
  /** The only values, when given. */
  oneOf?: readonly string[]
  /** Returns why the value is refused, in a sentence that continues the error, or null. */
  check?: (value: string) => string | null
  /** How the reference describes what `check` lets through. */
  allowed?: string
  /** What `check` lets through, if these are a few words. */
  words?: readonly string[]
}

type Defaulted<D, T> = D extends null ? T | null : T

const int32Max = 2 ** 31 - 1
/** Long.MAX_VALUE, which no number holds; it parses to 2⁶³, larger than anything it is compared with. */
export const int64Max = '9223372036854775807'

export const int = <const D extends number | string | null = number>(spec: NumberSpec<D>) => integer('INT', int32Max, spec)
export const short = <const D extends number | string | null = number>(spec: NumberSpec<D>) => integer('SHORT', 2 ** 15 - 1, spec)
export const long = <const D extends number | string | null = number>(spec: NumberSpec<D>) => integer('LONG', 2 ** 63, spec)
/** A size that Kafka holds in an int. */
export const intBytes = <const D extends number | string | null = number>(spec: NumberSpec<D>) => int({ ...spec, unit: 'bytes' })
export const bytes = <const D extends number | string | null = number>(spec: NumberSpec<D>) => long({ ...spec, unit: 'bytes' })
/** A duration that Kafka holds in an int. */
export const intMs = <const D extends number | string | null = number>(spec: NumberSpec<D>) => int({ ...spec, unit: 'ms' })
export const ms = <const D extends number | string | null = number>(spec: NumberSpec<D>) => long({ ...spec, unit: 'ms' })

interface KeyRest<T> extends Pick<ConfigKey<T>, 'unit' | 'allowed' | 'parse'> {
  readonly default: string | number | null | undefined
  readonly words?: readonly string[] | undefined
}

function key<T>(type: ConfigType, spec: Spec & { required?: boolean }, rest: KeyRest<T>): ConfigKey<T> {
  return {
    type,
    required: spec.required ?? false,
    doc: spec.doc,
    importance: spec.importance ?? 'medium',
    dynamic: spec.dynamic ?? 'read-only',
    accepted: spec.accepted ?? null,
    synonyms: (spec.synonyms ?? []).map(entry =>
      typeof entry === 'string' ? { name: entry, factor: 1 } : { name: entry[0], factor: entry[1] },
    ),
    ...rest,
    default: rest.default === undefined || rest.default === null ? null : String(rest.default),
    words: rest.words ?? null,
  }
}

const wholeNumber = /^[+-]?\d{1,19}$/

function integer<D extends number | string | null>(
  type: 'INT' | 'SHORT' | 'LONG',
  bound: number,
  spec: NumberSpec<D>,
): ConfigKey<Defaulted<D, number>> {
  const parse = (text: string): Parsed<number> => {
    const trimmed = text.trim()
    const exact = wholeNumber.test(trimmed) ? BigInt(trimmed.replace('+', '')) : null
    if (exact === null || exact > BigInt(bound) - (bound === 2 ** 63 ? 1n : 0n) || exact < -BigInt(bound) - 1n) {
      throw new BadValue(`Not a number of type ${type}`)
    }
    checkBounds(Number(exact), String(exact), spec)
    return { value: Number(exact), text: String(exact) }
  }
  return key<Defaulted<D, number>>(type, spec, {
    unit: spec.unit ?? null,
    default: spec.default,
    allowed: numberRange('a whole number', spec),
    parse: parse as (text: string) => Parsed<Defaulted<D, number>>,
  })
}

export function double(spec: NumberSpec<number | string>): ConfigKey<number> {
  const parse = (text: string): Parsed<number> => {
    const trimmed = text.trim()
    const value = Number(trimmed)
    // Java does not take JavaScript's 0x10.
    if (trimmed === '' || Number.isNaN(value) || /^0[xob]/i.test(trimmed)) throw new BadValue('Not a number of type DOUBLE')
    const canonical = Number.isInteger(value) && Math.abs(value) < 1e7 ? value.toFixed(1) : trimmed
    checkBounds(value, canonical, spec)
    return { value, text: canonical }
  }
  return key('DOUBLE', spec, {
    unit: null,
    default: spec.required ? null : parse(String(spec.default)).text,
    allowed: numberRange('a number', spec),
    parse,
  })
}

/** Kafka's validators and their words. */
function checkBounds(value: number, shown: string, { min, max, or, check }: Bounds): void {
  if (or !== undefined && value !== or && (value < min! || value > max!)) {
    throw new BadValue(`Value must be between ${min} and ${max} or equal to ${or}`, shown)
  }
  if (value !== or) {
    if (min !== undefined && value < min) throw new BadValue(`Value must be at least ${min}`, shown)
    if (max !== undefined && value > max) throw new BadValue(`Value must be no more than ${max}`, shown)
  }
  const refused = check?.(value) ?? null
  if (refused !== null) throw new BadValue(refused, shown)
}

function numberRange(what: string, { min, max, or }: Bounds): string {
  const bounds =
    min !== undefined && max !== undefined
      ? ` from ${min} to ${max}`
      : min !== undefined
        ? ` of at least ${min}`
        : max !== undefined
          ? ` up to ${max}`
          : ''
  return `${what}${bounds}${or === undefined ? '' : `, or ${or}`}`
}

export function boolean(spec: Spec & OrRequired<boolean>): ConfigKey<boolean> {
  const parse = (text: string): Parsed<boolean> => {
    const canonical = text.trim().toLowerCase()
    if (canonical !== 'true' && canonical !== 'false') throw new BadValue('Expected value to be either true or false')
    return { value: canonical === 'true', text: canonical }
  }
  return key('BOOLEAN', spec, { unit: null, default: spec.required ? null : String(spec.default), allowed: 'true or false', parse })
}

/** That nothing may be said, too, stands at the end in words. */
function listed(choices: readonly string[]): string {
  const words = choices.filter(word => word !== '').join(', ')
  return choices.includes('') ? `${words}, or empty` : words
}

const textKey = <T extends string | null>(type: ConfigType, spec: TextSpec<string | null>) => {
  const parse = (text: string): Parsed<string> => {
    const value = text.trim()
    if (spec.required && !spec.mayBeEmpty && value === '') throw new BadValue('String must be non-empty')
    if (spec.oneOf && !spec.oneOf.includes(value)) throw new BadValue(`String must be one of: ${listed(spec.oneOf)}`)
    const refused = spec.check?.(value) ?? null
    if (refused !== null) throw new BadValue(refused)
    return { value, text: value }
  }
  const allowed = spec.allowed ?? (spec.oneOf ? `one of ${listed(spec.oneOf)}` : 'text')
  return key<T>(type, spec, {
    ...{ unit: null, default: spec.default, allowed, words: spec.oneOf ?? spec.words },
    parse: parse as (text: string) => Parsed<T>,
  })
}

export const string = <const D extends string | null = string>(spec: TextSpec<D>) => textKey<Defaulted<D, string>>('STRING', spec)
/** The name of a Java class, which cannot be loaded here. */
export const className = <const D extends string | null = string>(spec: TextSpec<D>) => textKey<Defaulted<D, string>>('CLASS', spec)
/** Never shown, logged or described. */
export const password = <const R extends boolean = false>(spec: Spec & Omit<Words, 'oneOf'> & { required?: R }) =>
  textKey<R extends true ? string : string | null>('PASSWORD', { ...spec, default: null } as TextSpec<null>)

/** One of a few words; the type of the value is their union. */
export function choice<const C extends string, D extends C | null = C>(
  choices: readonly C[],
  spec: Spec & OrRequired<D> & { ignoreCase?: boolean },
): ConfigKey<Defaulted<D, C>> {
  const parse = (text: string): Parsed<C> => {
    const asked = text.trim()
    const found = choices.find(word => word === asked || (spec.ignoreCase === true && word.toLowerCase() === asked.toLowerCase()))
    if (found === undefined) throw new BadValue(`String must be one of: ${listed(choices)}`)
    return { value: found, text: asked }
  }
  const allowed = `one of ${listed(choices)}`
  return key<Defaulted<D, C>>('STRING', spec, { unit: null, default: spec.default, allowed, words: choices, parse: parse as never })
}

/** Words between commas. */
export function list<const D extends string | null = string>(
  spec: TextSpec<D> & { nonEmpty?: boolean },
): ConfigKey<Defaulted<D, readonly string[]>> {
  const parse = (text: string): Parsed<readonly string[]> => {
    const value = splitList(text)
    if ((spec.nonEmpty || (spec.required && !spec.mayBeEmpty)) && value.length === 0)
      throw new BadValue('Configuration must not be empty. Valid values include: any non-empty value')
    for (const word of value) {
      if (spec.oneOf && !spec.oneOf.includes(word)) throw new BadValue(`String must be one of: ${listed(spec.oneOf)}`)
    }
    const canonical = value.join(',')
    const refused = spec.check?.(canonical) ?? null
    if (refused !== null) throw new BadValue(refused)
    return { value, text: canonical }
  }
  const allowed = spec.allowed ?? (spec.oneOf ? `any of ${listed(spec.oneOf)} (comma-separated)` : 'a comma-separated list')
  return key<Defaulted<D, readonly string[]>>('LIST', spec, {
    ...{ unit: null, default: spec.default, allowed, words: spec.oneOf },
    parse: parse as never,
  })
}

/** Kafka's list syntax: commas, with white space around the words ignored; nothing is the empty list. */
export function splitList(text: string): string[] {
  const trimmed = text.trim()
  return trimmed === '' ? [] : trimmed.split(',').map(word => word.trim())
}

/** The one way from text to value. Throws InvalidConfig; the scope's table must have the key. */
export function parseValue<T>(name: string, declared: ConfigKey<T>, text: string): Parsed<T> {
  try {
    return declared.parse(text)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new InvalidConfig(name, declared.type === 'PASSWORD' ? '[hidden]' : (error.shown ?? text), error.message)
  }
}

/** Value of the default, null where there is none. Throws InvalidConfig, with Kafka's words, for a key that must be given. */
export function defaultValue<T>(name: string, declared: ConfigKey<T>): T {
  if (declared.required) throw missingConfig(name)
  return declared.default === null ? (null as T) : parseValue(name, declared, declared.default).value
}

export function missingConfig(name: string): InvalidConfig {
  const sentence = `Missing required configuration "${name}" which has no default value.`
  return new InvalidConfig(name, null, sentence, sentence)
}

/** Of a text that may not be given. Throws InvalidConfig. */
export function readValue<T>(name: string, declared: ConfigKey<T>, text: string | undefined): T {
  return text === undefined ? defaultValue(name, declared) : parseValue(name, declared, text).value
}

/** Of all that are declared; what else is given is ignored. Throws InvalidConfig. */
export function readValues<D extends Declarations>(declarations: D, given: Readonly<Record<string, string | undefined>>): ValuesOf<D> {
  const values: Record<string, unknown> = {}
  for (const [name, declared] of Object.entries(declarations)) values[name] = readValue(name, declared, given[name])
  return values as ValuesOf<D>
}

export function defaultsOf<D extends Declarations>(declarations: D): ValuesOf<D> {
  return readValues(declarations, {})
}

/** The name that takes the fewest edits, when they are few enough for one to have been meant. */
export function nearestName(
  wanted: string,
  names: Iterable<string>,
  mostEdits = Math.max(2, Math.floor(wanted.length / 3)),
): string | null {
  let best: string | null = null
  let fewest = mostEdits + 1
  const lower = wanted.toLowerCase()
  for (const name of names) {
    if (Math.abs(name.length - wanted.length) >= fewest) continue
    const edits = editDistance(lower, name.toLowerCase(), fewest - 1)
    if (edits < fewest) {
      fewest = edits
      best = name
    }
  }
  return best
}

/** For the end of an error about a name that is not known; empty if none is near. */
export function didYouMean(wanted: string, names: Iterable<string>): string {
  const near = nearestName(wanted, names)
  return near === null ? '' : `; did you mean ${near}?`
}

/** `most + 1`: there are more. Looks only at pairs of letters that so few edits can bring together. */
function editDistance(from: string, to: string, most: number): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const current: number[] = new Array(to.length + 1).fill(most + 1)
    current[0] = row
    let fewest = row
    const end = Math.min(to.length, row + most)
    for (let column = Math.max(1, row - most); column <= end; column++) {
      const replaced = previous[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1)
      const edits = Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1)
      current[column] = edits
      if (edits < fewest) fewest = edits
    }
    if (fewest > most) return most + 1
    previous = current
  }
  return previous[to.length]!
}
