/**
 * Tracks which transactional ids of a shard have been idle for longest, and who owns them. So their number is bounded, a
 * principal with many ids loses its own idle ids before those of others, and programs that use a new id for each checkpoint (Flink) are not
 * rejected eventually.
 *
 * Kafka's records do not contain the owner of an id. Ours do, except with `transaction.version` 0, which has no field for it: such an id
 * belongs to the first principal that initializes it after a restart, and until then counts only in the total.
 */
export interface ResidentLimits {
  readonly all: number
  readonly perPrincipal: number
}

/** So many that cannot be forgotten are passed over before the search is given up. */
const mostPassedOver = 1_000

export class Residents {
  /** The longest idle first. */
  readonly #owners = new Map<string, string | null>()
  readonly #byPrincipal = new Map<string, Set<string>>()

  /** It was used just now. */
  touch(transactionalId: string): void {
    const owner = this.#owners.get(transactionalId) ?? null
    this.#owners.delete(transactionalId)
    this.#owners.set(transactionalId, owner)
    const own = owner === null ? undefined : this.#byPrincipal.get(owner)
    if (own?.delete(transactionalId)) own.add(transactionalId)
  }

  /** The principal that initialized it first, if known. */
  own(transactionalId: string, principal: string): void {
    if ((this.#owners.get(transactionalId) ?? null) !== null) return
    this.#owners.set(transactionalId, principal)
    const own = this.#byPrincipal.get(principal)
    if (own === undefined) this.#byPrincipal.set(principal, new Set([transactionalId]))
    else own.add(transactionalId)
  }

  forget(transactionalId: string): void {
    const owner = this.#owners.get(transactionalId) ?? null
    this.#owners.delete(transactionalId)
    if (owner === null) return
    const own = this.#byPrincipal.get(owner)
    own?.delete(transactionalId)
    if (own?.size === 0) this.#byPrincipal.delete(owner)
  }

  clear(): void {
    this.#owners.clear()
    this.#byPrincipal.clear()
  }

  /** Which have to go before the principal gets one more; null when there is no room and none may go. */
  leaving(principal: string, limits: ResidentLimits, mayGo: (transactionalId: string) => boolean): string[] | null {
    const own = this.#byPrincipal.get(principal)
    const leaving = own === undefined ? [] : longestIdle(own, own.size + 1 - limits.perPrincipal, mayGo)
    if (leaving === null) return null
    const gone = new Set(leaving)
    const excess = this.#owners.size + 1 - gone.size - limits.all
    const others = longestIdle(this.#owners.keys(), excess, id => !gone.has(id) && mayGo(id))
    return others === null ? null : [...leaving, ...others]
  }
}

function longestIdle(ids: Iterable<string>, count: number, mayGo: (transactionalId: string) => boolean): string[] | null {
  const found: string[] = []
  if (count <= 0) return found
  let passedOver = 0
  for (const id of ids) {
    if (mayGo(id)) found.push(id)
    else if (++passedOver > mostPassedOver) return null
    if (found.length === count) return found
  }
  return null
}
