/** What stored schemas mean, so that the same schema in other words is recognized; remembered, because a registration asks it of all versions of a subject. */
import type { Version } from '../state.ts'
import { contextOf } from '../subject.ts'
import type { Answering } from './judge.ts'
import type { SchemaText } from './questions.ts'

const mostKept = 20_000
/** Of one question. */
const mostAsked = 100

export class Identities {
  /** The least recently used first. */
  readonly #known = new Map<string, string | null>()

  /** Of each version; null: it is not understood. */
  of(answering: Answering, versions: readonly Version[], textOf: (version: Version) => SchemaText): (string | null)[] {
    const found = new Map<Version, string | null>()
    const missing: Version[] = []
    for (const each of versions) {
      const known = this.#known.get(keyOf(each))
      if (known === undefined) missing.push(each)
      else found.set(each, known)
    }
    for (let at = 0; at < missing.length; at += mostAsked) {
      const asked = missing.slice(at, at + mostAsked)
      const answers = answering.ask({ kind: 'identities', schemas: asked.map(textOf) })
      for (const [index, each] of asked.entries()) {
        found.set(each, answers[index]!)
        this.#keep(keyOf(each), answers[index]!)
      }
    }
    return versions.map(each => found.get(each)!)
  }

  #keep(key: string, identity: string | null): void {
    this.#known.set(key, identity)
    if (this.#known.size > mostKept) this.#known.delete(this.#known.keys().next().value!)
  }
}

function keyOf({ subject, type, guid }: Version): string {
  return `${contextOf(subject)}\0${type}\0${guid}`
}
