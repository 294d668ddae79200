/**
 * What was loaded from objects, up to so many bytes; what was not used for longest goes first.
 *
 * However many ask for the same, it is loaded once. A load that fails leaves nothing behind: who asks next loads again. What is larger than the
 * whole cache is handed out, but not kept. What was loaded ahead and not used yet may take half of the cache: with more readers than that, each
 * would push out what the others are about to ask for.
 */

interface Loaded<T> {
  readonly object: string
  readonly value: T
  readonly bytes: number
  /** Of `bytes`: loaded ahead, and nobody has asked for it yet. */
  ahead: number
}

export class LoadCache<T> {
  readonly #limit: number
  readonly #sizeOf: (value: T) => number
  /** In order of their last use. */
  readonly #loaded = new Map<string, Loaded<T>>()
  /** The keys of what is loaded of each object. */
  readonly #keys = new Map<string, Set<string>>()
  readonly #loading = new Map<string, { readonly object: string; readonly promise: Promise<T>; ahead: number }>()
  #bytes = 0
  #aheadBytes = 0

  constructor(limitBytes: number, sizeOf: (value: T) => number) {
    this.#limit = limitBytes
    this.#sizeOf = sizeOf
  }

  /** Of what is kept; what is being loaded does not count. */
  get bytes(): number {
    return this.#bytes
  }

  get(object: string, position: number): T | undefined {
    const key = keyOf(object, position)
    const found = this.#loaded.get(key)
    if (found === undefined) return undefined
    this.#loaded.delete(key)
    this.#loaded.set(key, found)
    this.#aheadBytes -= found.ahead
    found.ahead = 0
    return found.value
  }

  /** What `load` makes, or is making already. */
  load(object: string, position: number, load: () => Promise<T>): Promise<T> {
    const loading = this.#loading.get(keyOf(object, position))
    if (loading === undefined) return this.#load(object, position, load, 0)
    this.#aheadBytes -= loading.ahead
    loading.ahead = 0
    return loading.promise
  }

  /** Begins to load about so many bytes that will be asked for soon, if there is room. Null: it is here, under way, or there is no room. */
  loadAhead(object: string, position: number, bytes: number, load: () => Promise<T>): Promise<T> | null {
    const key = keyOf(object, position)
    if (this.#loaded.has(key) || this.#loading.has(key) || this.#aheadBytes + bytes > this.#limit / 2) return null
    return this.#load(object, position, load, bytes)
  }

  /** What came along with something else. */
  put(object: string, position: number, value: T): void {
    this.#keep(object, position, value, 0)
  }

  forget(object: string): void {
    for (const key of this.#keys.get(object) ?? []) this.#drop(key, this.#loaded.get(key)!)
    for (const [key, loading] of this.#loading) if (loading.object === object) this.#forgetLoading(key, loading.ahead)
  }

  #load(object: string, position: number, load: () => Promise<T>, ahead: number): Promise<T> {
    const key = keyOf(object, position)
    const promise = load()
    const loading = { object, promise, ahead }
    this.#loading.set(key, loading)
    this.#aheadBytes += ahead
    const ended = () => {
      if (this.#loading.get(key) !== loading) return false
      this.#forgetLoading(key, loading.ahead)
      return true
    }
    promise.then(
      value => {
        if (ended()) this.#keep(object, position, value, loading.ahead)
      },
      () => void ended(),
    )
    return promise
  }

  #forgetLoading(key: string, ahead: number): void {
    this.#loading.delete(key)
    this.#aheadBytes -= ahead
  }

  #keep(object: string, position: number, value: T, ahead: number): void {
    const bytes = this.#sizeOf(value)
    if (bytes > this.#limit) return
    const key = keyOf(object, position)
    const before = this.#loaded.get(key)
    if (before !== undefined) this.#drop(key, before)
    this.#loaded.set(key, { object, value, bytes, ahead })
    const keys = this.#keys.get(object)
    if (keys === undefined) this.#keys.set(object, new Set([key]))
    else keys.add(key)
    this.#bytes += bytes
    this.#aheadBytes += ahead
    for (const [oldest, loaded] of this.#loaded) {
      if (this.#bytes <= this.#limit) return
      this.#drop(oldest, loaded)
    }
  }

  #drop(key: string, loaded: Loaded<T>): void {
    this.#loaded.delete(key)
    const keys = this.#keys.get(loaded.object)!
    keys.delete(key)
    if (keys.size === 0) this.#keys.delete(loaded.object)
    this.#bytes -= loaded.bytes
    this.#aheadBytes -= loaded.ahead
  }
}

function keyOf(object: string, position: number): string {
  return `${position} ${object}`
}
