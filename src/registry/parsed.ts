/** Stored schemas, parsed: with the texts of all that they refer to. The most recently used ones are kept. */
import { InvalidSchema, type ParsedSchema, type Reference, type Resolved } from './schema.ts'
import { parseSchema } from './schemas.ts'
import type { State, Version } from './state.ts'
import { subjectFrom } from './subject.ts'

const mostKept = 500
const mostReferences = 1_000

export class Parsed {
  readonly #state: State
  readonly #kept = new Map<string, ParsedSchema>()

  constructor(state: State) {
    this.#state = state
  }

  /** Throws InvalidSchema: another registry may have stored what ours does not understand. */
  of(version: Version): ParsedSchema {
    const key = `${version.subject}\0${version.type}\0${version.guid}`
    const known = this.#kept.get(key)
    this.#kept.delete(key)
    const parsed = known ?? this.parse(version.subject, version.type, version.text, version.references, false)
    this.#kept.set(key, parsed)
    if (this.#kept.size > mostKept) this.#kept.delete(this.#kept.keys().next().value!)
    return parsed
  }

  /** Throws InvalidSchema. */
  parse(subject: string, type: string, text: string, references: readonly Reference[], strict: boolean): ParsedSchema {
    return parseSchema(type, { text, strict, resolved: this.resolve(subject, references) })
  }

  /** Those that others refer to come first. Throws InvalidSchema. */
  resolve(subject: string, references: readonly Reference[]): Resolved[] {
    const found = new Map<string, Resolved>()
    const visit = (parent: string, list: readonly Reference[], depth: number) => {
      if (depth > 50) throw new InvalidSchema('References are nested too deep')
      for (const reference of list) {
        if (found.has(reference.name)) continue
        if (found.size >= mostReferences) throw new InvalidSchema(`A schema has more than ${mostReferences} references`)
        const target = subjectFrom(parent, reference.subject)
        const version = this.#state.version(target, reference.version, 'with')
        if (version === null) throw new InvalidSchema(`No schema reference found for subject "${target}" and version ${reference.version}`)
        visit(version.subject, version.references, depth + 1)
        found.set(reference.name, { name: reference.name, text: version.text })
      }
    }
    visit(subject, references, 0)
    return [...found.values()]
  }
}
