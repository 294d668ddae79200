/** Which quota applies to a client: Kafka's order of precedence (KIP-55), and which clients share it. */
import { hash } from 'node:crypto'
import type { QuotaEntry } from '../../coordinator.ts'

export interface Limit {
  readonly perSecond: number
  /** Clients with the same key use up the limit together. */
  readonly sharedBy: string
}

const ofDefault = null
const longestKey = 256

/** A key for a name. Names come from clients, can be 32 KiB long, and keys are stored, so the key of a long name is its digest. */
export function shortKey(name: string): string {
  return name.length <= longestKey ? name : hash('sha256', name)
}

/** The limits of one kind, such as `producer_byte_rate`. */
export class ClientLimits {
  readonly #byEntity = new Map<string, number>()

  constructor(entries: readonly QuotaEntry[], key: string) {
    for (const { entity, values } of entries) {
      const value = values.get(key)
      if (value !== undefined && !entity.has('ip')) this.#byEntity.set(nameOf(entity.get('user'), entity.get('client-id')), value)
    }
  }

  get size(): number {
    return this.#byEntity.size
  }

  /** The most specific that there is. A client without an id has no limits by client id. */
  find(user: string, clientId: string): Limit | null {
    const client = clientId === '' ? undefined : clientId
    return (
      this.#at(user, client, user, client) ??
      this.#at(user, client === undefined ? client : ofDefault, user, client) ??
      this.#at(user, undefined, user, undefined) ??
      this.#at(ofDefault, client, user, client) ??
      this.#at(ofDefault, client === undefined ? client : ofDefault, user, client) ??
      this.#at(ofDefault, undefined, user, undefined) ??
      (client === undefined
        ? null
        : (this.#at(undefined, client, undefined, client) ?? this.#at(undefined, ofDefault, undefined, client) ?? null))
    )
  }

  #at(user: Name, client: Name, sharedUser: Name, sharedClient: Name): Limit | undefined {
    const perSecond = this.#byEntity.get(nameOf(user, client))
    return perSecond === undefined ? undefined : { perSecond, sharedBy: shortKey(nameOf(sharedUser, sharedClient)) }
  }
}

/** undefined: not part of the entity; null: the default. */
type Name = string | null | undefined

function nameOf(user: Name, client: Name): string {
  return JSON.stringify([user === undefined ? 0 : user, client === undefined ? 0 : client])
}

/** `connection_creation_rate` by address. */
export class IpLimits {
  readonly #byAddress = new Map<string, number>()
  readonly #default: number | undefined

  constructor(entries: readonly QuotaEntry[], key: string) {
    let byDefault: number | undefined
    for (const { entity, values } of entries) {
      const value = values.get(key)
      const address = entity.get('ip')
      if (value === undefined || address === undefined) continue
      if (address === ofDefault) byDefault = value
      else this.#byAddress.set(address, value)
    }
    this.#default = byDefault
  }

  get any(): boolean {
    return this.#byAddress.size > 0 || this.#default !== undefined
  }

  find(address: string): number | undefined {
    return this.#byAddress.get(address) ?? this.#default
  }
}
