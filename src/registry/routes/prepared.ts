/**
 * The answers that clients ask for most, as bytes: a schema by its id, and a version of a subject. Serializers of a whole fleet ask for the same few, and making
 * the text again costs more than all the rest of the request. A version never changes; when the state has another one in its place, its answer is another one.
 */
import type { Version } from '../state.ts'
import { printById, printVersion } from './common.ts'

/** Of each kind. */
const mostBytes = 2 ** 24

export class Prepared {
  readonly byId = new Answers(version => printById(version, { named: false }))
  readonly byNamedId = new Answers(version => printById(version, { named: true }))
  readonly byVersion = new Answers(version => printVersion(version))
}

class Answers {
  readonly #print: (version: Version) => object
  /** The oldest first. */
  readonly #known = new Map<Version, Buffer>()
  #bytes = 0

  constructor(print: (version: Version) => object) {
    this.#print = print
  }

  of(version: Version): Buffer {
    const known = this.#known.get(version)
    if (known !== undefined) return known
    const answer = Buffer.from(JSON.stringify(this.#print(version)))
    this.#known.set(version, answer)
    this.#bytes += answer.length
    for (const [oldest, bytes] of this.#known) {
      if (this.#bytes <= mostBytes || oldest === version) break
      this.#known.delete(oldest)
      this.#bytes -= bytes.length
    }
    return answer
  }
}
