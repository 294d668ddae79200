/**
 * Clients of another service, one for each identity, because the service decides for itself what somebody may see. The least recently used are closed when
 * there are many.
 */
import type { Client } from '../client.ts'
import type { RegistryReached } from '../service.ts'
import type { Identity } from '../sessions.ts'

const most = 64
const compared = ['url', 'authorization', 'rightsOf'] as const

export interface Reached extends RegistryReached {
  /** Whose rights are asked for before the service is. */
  readonly rightsOf?: Client | undefined
}

interface Entry<C> {
  readonly client: C
  readonly reached: Reached
}

export class PerIdentity<C extends { close(): void }> {
  readonly #open: (reached: Reached) => C
  /** By key of the identity, in the order of use, the oldest first. */
  readonly #entries = new Map<string, Entry<C>>()

  constructor(open: (reached: Reached) => C) {
    this.#open = open
  }

  /** null: there is no such service. */
  of({ key }: Identity, reached: Reached | null): C | null {
    if (reached === null) return null
    const known = this.#entries.get(key)
    this.#entries.delete(key)
    const isSame = known !== undefined && compared.every(each => known.reached[each] === reached[each])
    if (!isSame) known?.client.close()
    const entry = isSame ? known : { client: this.#open(reached), reached }
    this.#entries.set(key, entry)
    const [oldest, { client }] = this.#entries.entries().next().value!
    if (this.#entries.size > most) {
      this.#entries.delete(oldest)
      client.close()
    }
    return entry.client
  }

  close(): void {
    for (const { client } of this.#entries.values()) client.close()
    this.#entries.clear()
  }
}
