/** Which events a place holds, and how often. */

export class Ids {
  readonly #times = new Map<number, number>()

  add(id: number): void {
    if (!Number.isSafeInteger(id)) throw new Error(`an event without an id: ${id}`)
    this.#times.set(id, (this.#times.get(id) ?? 0) + 1)
  }

  get count(): number {
    return this.#times.size
  }

  missingIn(other: Ids): number[] {
    return [...this.#times.keys()].filter(id => !other.#times.has(id))
  }

  /** Throws unless these are just the events of `topic`, each once. */
  requireThoseOf(topic: Ids): void {
    const missing = topic.missingIn(this)
    const strange = this.missingIn(topic)
    const more = [...this.#times].filter(([, times]) => times > 1).map(([id]) => id)
    const wrong = Object.entries({ missing, 'that nobody wrote': strange, 'more than once': more }).filter(([, ids]) => ids.length > 0)
    if (wrong.length === 0) return
    throw new Error(wrong.map(([what, ids]) => `${ids.length} ${what} (${ids.slice(0, 5).join()}…)`).join(', '))
  }
}
