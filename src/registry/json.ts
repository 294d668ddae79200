/** JSON Schemas, drafts 4 to 2020-12. */
import { jsonDifferences } from './json/diff.ts'
import { describe } from './json/differences.ts'
import { Documents } from './json/documents.ts'
import { load } from './json/load.ts'
import type { Node } from './json/model.ts'
import { type Json, parseJson, printJson, sortedJson } from './json-tree.ts'
import { type Budget, InvalidSchema, type ParsedSchema, type Policy, type Reason, type SchemaSource, type SchemaType } from './schema.ts'

export const json: SchemaType = {
  parse(source: SchemaSource) {
    try {
      const root = parseJson(source.text)
      return new JsonSchema(root, load(new Documents(root, source.resolved), source.budget))
    } catch (error) {
      throw error instanceof SyntaxError ? new InvalidSchema(error.message) : error
    }
  },
}

class JsonSchema implements ParsedSchema {
  readonly #json: Json
  readonly #node: Node

  constructor(root: Json, node: Node) {
    this.#json = root
    this.#node = node
  }

  get canonical(): string {
    return printJson(this.#json)
  }

  get normalized(): string {
    return printJson(sortedJson(this.#json))
  }

  formatted(): string {
    return this.canonical
  }

  get identity(): string {
    return this.canonical
  }

  differences(writer: ParsedSchema, policy: Policy, budget: Budget): Reason[] {
    const found = jsonDifferences((writer as JsonSchema).#node, this.#node, policy, budget)
    return found.map(each => (newer, older) => describe(each, newer, older))
  }
}
