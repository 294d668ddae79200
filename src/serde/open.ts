/** The serdes of one process: opened when first used. */
import { later, type MaybePromise } from '../base.ts'
import { type Choice, decodeAuto } from './auto.ts'
import { serdes } from './list.ts'
import type { RegistryClient } from './registry-client.ts'
import { type Display, type Place, type SchemaChoice, type SchemaUsed, type Serde, SerdeError, type SerdeName } from './types.ts'

/** Bytes as shown to people. */
export interface Shown {
  /** null: there were no bytes (a tombstone, a record without a key). */
  readonly serde: SerdeName | null
  readonly value: Display
  readonly schema: SchemaUsed | null
  /** Why the bytes are shown in hexadecimal instead. */
  readonly problem: string | null
}

export interface Serdes {
  /** Does not fail because of bytes or the registry: what cannot be decoded is shown in hexadecimal (its beginning), with the reason. */
  show(serde: SerdeName | 'auto', bytes: Buffer | null, place: Place): MaybePromise<Shown>
  /** Throws {@link SerdeError}. */
  decode(serde: SerdeName, bytes: Buffer, place: Place): MaybePromise<{ value: Display; schema: SchemaUsed | null }>
  /** Throws {@link SerdeError}. */
  encode(serde: SerdeName, value: unknown, place: Place, schema?: SchemaChoice): MaybePromise<Buffer>
}

export interface SerdesOptions {
  readonly registry?: RegistryClient | null
  /** Larger values are not decoded. */
  readonly mostBytes?: number
}

const defaultMostBytes = 2 ** 24
const mostHexBytes = 2 ** 16

export function openSerdes({ registry = null, mostBytes = defaultMostBytes }: SerdesOptions = {}): Serdes {
  const opened = new Map<SerdeName, Serde>()
  const open = (name: SerdeName): Serde => {
    let serde = opened.get(name)
    if (serde === undefined) {
      const definition = serdes.find(each => each.name === name)
      if (definition === undefined) throw new SerdeError(`there is no serde ${name}; there are ${serdes.map(each => each.name).join(', ')}`)
      serde = definition.open({ registry })
      opened.set(name, serde)
    }
    return serde
  }
  const checked = (bytes: Buffer) => {
    if (bytes.length > mostBytes) throw new SerdeError(`${bytes.length} bytes; values of more than ${mostBytes} are not decoded`)
    return bytes
  }
  const choose = (name: SerdeName | 'auto', bytes: Buffer, place: Place): MaybePromise<Choice> =>
    name === 'auto'
      ? decodeAuto(checked(bytes), place, registry, open)
      : later(open(name).decode(checked(bytes), place), decoded => ({ serde: name, ...decoded }))
  return {
    decode: (name, bytes, place) => guarded(() => open(name).decode(checked(bytes), place)),
    encode: (name, value, place, schema = {}) => guarded(() => open(name).encode(value, place, schema)),
    show(name, bytes, place) {
      if (bytes === null) return { serde: null, value: null, schema: null, problem: null }
      try {
        const shown = guarded(() => later(choose(name, bytes, place), choice => ({ ...choice, problem: null })))
        return shown instanceof Promise ? shown.catch((error: unknown) => undecoded(bytes, error)) : shown
      } catch (error) {
        return undecoded(bytes, error)
      }
    },
  }
}

function undecoded(bytes: Buffer, error: unknown): Shown {
  if (!(error instanceof SerdeError)) throw error
  const problem = bytes.length > mostHexBytes ? `${error.message} (the first ${mostHexBytes} of ${bytes.length} bytes)` : error.message
  return { serde: 'hex', value: bytes.toString('hex', 0, mostHexBytes), schema: null, problem }
}

/** A stack that overflows is a matter of the bytes: they are nested more deeply than anybody counted. */
function guarded<T>(work: () => MaybePromise<T>): MaybePromise<T> {
  const told = (error: unknown): never => {
    throw error instanceof RangeError ? new SerdeError(`the value cannot be processed: ${error.message}`, error) : error
  }
  try {
    const result = work()
    return result instanceof Promise ? result.catch(told) : result
  } catch (error) {
    return told(error)
  }
}
