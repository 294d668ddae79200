/** HTTP to a registry, whose failures are those of a serde. */
import type { System } from '../base.ts'
import { BadAddress, BadPath, type JsonAddress, type JsonHttp, NoAnswer, openJsonHttp } from '../json-http.ts'
import { SerdeError } from './types.ts'

export type RegistryAddress = Omit<JsonAddress, 'named' | 'mediaType'>

/** No address of the registry answered: what was asked may succeed later. */
export class RegistryUnreachable extends SerdeError {
  constructor(message: string, cause: unknown) {
    super(message, cause)
    this.name = 'RegistryUnreachable'
  }
}

const isRegistry = { named: 'the schema registry', mediaType: 'application/vnd.schemaregistry.v1+json' }

/** Throws SerdeError if an address is not one. */
export function openHttp(address: RegistryAddress, system: Pick<System, 'timers'>): JsonHttp {
  try {
    const { ask, close } = openJsonHttp({ ...address, ...isRegistry }, system)
    return {
      ask: (...call) =>
        ask(...call).catch(error => {
          if (error instanceof BadPath) throw new SerdeError(error.message, error)
          throw error instanceof NoAnswer ? new RegistryUnreachable(error.message, error.cause) : error
        }),
      close,
    }
  } catch (error) {
    throw error instanceof BadAddress ? new SerdeError(error.message) : error
  }
}
