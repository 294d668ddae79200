/** The texts of all that a schema refers to. */
import { InvalidSchema, type Reference, type Resolved } from './schema.ts'
import type { State } from './state.ts'
import { subjectFrom } from './subject.ts'

const mostDepth = 50
const mostReferences = 1_000
const mostCharacters = 2 ** 22

/** Those that others refer to come first. Throws InvalidSchema. */
export function resolve(state: State, subject: string, references: readonly Reference[]): Resolved[] {
  const found = new Map<string, Resolved>()
  let characters = 0
  const visit = (parent: string, list: readonly Reference[], depth: number) => {
    if (depth > mostDepth) throw new InvalidSchema('References are nested too deep')
    for (const reference of list) {
      if (found.has(reference.name)) continue
      const target = subjectFrom(parent, reference.subject)
      const version = state.version(target, reference.version, 'with')
      if (version === null) throw new InvalidSchema(`No schema reference found for subject "${target}" and version ${reference.version}`)
      visit(version.subject, version.references, depth + 1)
      characters += version.text.length
      found.set(reference.name, { name: reference.name, text: version.text })
      if (found.size > mostReferences) throw new InvalidSchema(`A schema has more than ${mostReferences} references`)
      if (characters > mostCharacters) throw new InvalidSchema(`A schema refers to more than ${mostCharacters} characters`)
    }
  }
  visit(subject, references, 0)
  return [...found.values()]
}
