/** What the file of a connector exports. Names, types, docs, validation, `--help`, the console's form and the reference page derive from it. */
import type { ConfigKey, Declarations, ValuesOf } from '../base.ts'
import type { SinkContext, SinkTask, SourceContext, SourceTask } from './task.ts'

/** Keys of a Java connector, with the same configuration otherwise, that would change what is written, and are not there. */
export interface Refusal {
  /** Matches the key. */
  readonly key: RegExp
  /** What to do instead. */
  readonly why: string
  /** Values, in any case, with which nothing would change; default: only the empty one. */
  readonly unless?: readonly string[]
}

export interface ConnectorBasics<D extends Declarations> {
  /** `elasticsearch`; also what `connector.class` may say. */
  readonly name: string
  /** Java classes whose configurations work here, too. */
  readonly classes: readonly string[]
  readonly version: string
  /** One sentence. */
  readonly summary: string
  /** An example configuration that runs, without `name`, `connector.class` and `topics`. */
  readonly example: Readonly<Record<string, string>>
  /** Its own keys; those that every connector has are the worker's. */
  readonly config: D
  /** Keys that it does not have, and that are not to be ignored. */
  readonly refuses?: readonly Refusal[]
  /** What the keys alone cannot say: by key, why it is refused. May ask the target, for a few seconds. */
  readonly check?: (config: ValuesOf<D>) => Promise<ReadonlyMap<string, string>> | ReadonlyMap<string, string>
  /** Values that fit, by key, for forms. */
  readonly recommend?: (config: ValuesOf<D>) => Promise<ReadonlyMap<string, readonly string[]>>
}

export interface SinkDefinition<D extends Declarations = Declarations> extends ConnectorBasics<D> {
  readonly kind: 'sink'
  readonly open: (config: ValuesOf<D>, context: SinkContext) => Promise<SinkTask>
  /**
   * How many records it is given together at most, where `max.poll.records` says nothing. Default: 2000, with which a target that answers each of them keeps nobody
   * waiting. One that only writes into a file gains nothing from so many: with fewer they die young.
   */
  readonly recordsAtOnce?: number
  /** A flush leaves records in files that are completed by their size or by the clock. */
  readonly completesLater?: boolean
  /** Settings with which it keeps no offsets in the target, and so writes whatever it gets, in whatever order. */
  readonly withoutOffsets?: Readonly<Record<string, string>>
}

export interface SourceDefinition<D extends Declarations = Declarations> extends ConnectorBasics<D> {
  readonly kind: 'source'
  /** At most `most` configurations, one for each task: the connector's, with what this task does. Default: one task. */
  readonly tasks?: (config: ValuesOf<D>, most: number) => Promise<readonly Readonly<Record<string, string>>[]>
  readonly open: (config: ValuesOf<D>, context: SourceContext) => Promise<SourceTask>
  /** Whether its offsets say exactly where it was, so that with transactions nothing is twice (KIP-618). */
  readonly exactlyOnce?: (config: ValuesOf<D>) => boolean | Promise<boolean>
  /** Whether it can say where transactions end (`transaction.boundary=connector`), by the `transaction` of its context. */
  readonly transactionBoundaries?: (config: ValuesOf<D>) => boolean | Promise<boolean>
  /** Its source gives no more, or keeps what it gave, until `committed`: offsets are then stored after each poll, and not from time to time. */
  readonly acknowledges?: boolean
  /** Of its records, where a configuration names none: `bytes` if they are such as they are. Default: the worker's converters. */
  readonly converter?: string
  /** Of its records, for a form to begin with: `{ 'value.converter': 'string' }` of lines of text. Default: text keys, and JSON without schemas. */
  readonly formats?: Readonly<Record<string, string>>
}

export type ConnectorDefinition = SinkDefinition | SourceDefinition

/** As it is written: what need not be said has a default. */
type Written<T extends ConnectorBasics<D>, D extends Declarations> = Omit<T, 'kind' | 'classes' | 'example'> &
  Partial<Pick<T, 'classes' | 'example'>>

/** Throws TypeError for what the compiler would have refused. */
export function defineSink<const D extends Declarations>(definition: Written<SinkDefinition<D>, D>): SinkDefinition {
  return defined('sink', definition) as unknown as SinkDefinition
}

/** Throws TypeError for what the compiler would have refused. */
export function defineSource<const D extends Declarations>(definition: Written<SourceDefinition<D>, D>): SourceDefinition {
  return defined('source', definition) as unknown as SourceDefinition
}

function defined(kind: 'sink' | 'source', given: object): object {
  const definition = { kind, classes: [], example: {}, ...given } as Record<string, unknown>
  for (const name of ['name', 'version', 'summary'])
    if (typeof definition[name] !== 'string' || definition[name] === '') throw new TypeError(`A ${kind} needs a ${name}, which is a text`)
  const { name, config, open, recordsAtOnce = 1 } = definition
  if (typeof open !== 'function') throw new TypeError(`The ${kind} ${name} needs the function open`)
  for (const [key, declared] of Object.entries(isObject(config) ? config : {}))
    if (!isObject(declared) || typeof (declared as unknown as ConfigKey).parse !== 'function')
      throw new TypeError(`The ${kind} ${name}: its key ${key} must be declared by string, int, boolean or another of these functions`)
  if (!Number.isInteger(recordsAtOnce) || (recordsAtOnce as number) < 1)
    throw new TypeError(`The ${kind} ${name}: recordsAtOnce must be a whole number of at least 1`)
  if (!isObject(config)) throw new TypeError(`The ${kind} ${name} needs config, an object with its keys`)
  return definition
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
