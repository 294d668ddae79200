/**
 * What was loaded from objects, up to so many bytes; what was not used for longest goes first.
 *
 * However many ask for the same, it is loaded once. A load that fails leaves nothing behind: who asks next loads again. What is larger than the
 * whole cache is handed out, but not kept. What was loaded ahead and not used yet may take half of the cache: with more readers than that, each
 * would push out what the others are about to ask for.
 */

interface Loaded<T> {
  readonly value: T
  readonly bytes: number
  /** About as many bytes were loaded ahead, and nobody has asked for them yet. */
  ahead: number
}

interface Loading<T> {
  readonly promise: Promise<T>
  ahead: number
}

export class LoadCache<T> {
  readonly #limit: number
  readonly #sizeOf: (value: T) => number
  /** In order of their last use. */
  readonly #loaded = new Map<string, Loaded<T>>()
  readonly #loading = new Map<string, Loading<T>>()
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

  /** It is here, or under way. */
  has(object: string, position: number): boolean {
    const key = keyOf(object, position)
    return this.#loaded.has(key) || this.#loading.has(key)
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
    const key = keyOf(object, position)
    const loading = this.#loading.get(key)
    if (loading === undefined) return this.#load(key, load, 0)
    this.#aheadBytes -= loading.ahead
    loading.ahead = 0
    return loading.promise
  }

  /** Begins to load about so many bytes that will be asked for soon, if there is room. Null: it is here, under way, or there is no room. */
  loadAhead(object: string, position: number, bytes: number, load: () => Promise<T>): Promise<T> | null {
    const key = keyOf(object, position)
    if (this.#loaded.has(key) || this.#loading.has(key) || this.#aheadBytes + bytes > this.#limit / 2) return null
    return this.#load(key, load, bytes)
  }

  /** What came along with something else. */
  put(object: string, position: number, value: T): void {
    this.#keep(keyOf(object, position), value, 0)
  }

  #load(key: string, load: () => Promise<T>, ahead: number): Promise<T> {
    const loading: Loading<T> = { promise: load(), ahead }
    this.#loading.set(key, loading)
    this.#aheadBytes += ahead
    const ended = () => {
      this.#loading.delete(key)
      this.#aheadBytes -= loading.ahead
    }
    loading.promise.then(value => {
      ended()
      this.#keep(key, value, loading.ahead)
    }, ended)
    return loading.promise
  }

  #keep(key: string, value: T, ahead: number): void {
    const bytes = this.#sizeOf(value)
    if (bytes > this.#limit) return
    const before = this.#loaded.get(key)
    if (before !== undefined) this.#drop(key, before)
    this.#loaded.set(key, { value, bytes, ahead })
    this.#bytes += bytes
    this.#aheadBytes += ahead
    for (const [oldest, loaded] of this.#loaded) {
      if (this.#bytes <= this.#limit) return
      this.#drop(oldest, loaded)
    }
  }

  #drop(key: string, loaded: Loaded<T>): void {
    this.#loaded.delete(key)
    this.#bytes -= loaded.bytes
    this.#aheadBytes -= loaded.ahead
  }
}

function keyOf(object: string, position: number): string {
  return `${position} ${object}`
}
