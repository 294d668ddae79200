/** What the registry needs to know of a schema, whatever its type: its text in one form, and whether it can read what was written with another one. */

/** In the order of Confluent's answer. */
export const typeNames = ['JSON', 'PROTOBUF', 'AVRO'] as const
export type TypeName = (typeof typeNames)[number]
export const defaultType: TypeName = 'AVRO'

/** Another schema, by subject and version; `name` is how the text calls it. */
export interface Reference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

/** The text of a referenced schema. Those that it refers to come before it. */
export interface Resolved {
  readonly name: string
  readonly text: string
}

export interface SchemaSource {
  readonly text: string
  readonly resolved: readonly Resolved[]
  /** Whether what only new schemas must keep to is checked: default values have to fit their types. */
  readonly strict: boolean
  /** Of parsing it. */
  readonly budget: Budget
}

export type Policy = 'STRICT' | 'LENIENT'

/** Told with the names of the schema that reads and of the one that has written: `new` and `old`, or the other way round. */
export type Reason = (reader: string, writer: string) => string

export interface ParsedSchema {
  /** The text without what says nothing, as Confluent's registry stores it. */
  readonly canonical: string
  /** The same, with all that has no meaning in one order. */
  readonly normalized: string
  /** Formats that a type does not have mean the canonical one. */
  formatted(format: string): string
  /** The same for schemas that mean the same, also if one has its references in its text. */
  readonly identity: string
  /** Why records of `writer`, a schema of the same type, cannot be read. Throws InvalidSchema. */
  differences(writer: ParsedSchema, policy: Policy, budget: Budget): Reason[]
}

export interface SchemaType {
  /** Throws InvalidSchema. */
  parse(source: SchemaSource): ParsedSchema
}

export class InvalidSchema extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'InvalidSchema'
  }
}

export class TooComplex extends InvalidSchema {
  constructor() {
    super('The schema is too complex')
    this.name = 'TooComplex'
  }
}

/**
 * A limit of the work for a schema beyond reading its text: a few lines may describe as much as one likes. What is counted as one step takes a few
 * microseconds, unless single names or values are very long.
 */
export class Budget {
  #left: number

  constructor(steps: number) {
    this.#left = steps
  }

  /** Throws TooComplex. */
  spend(steps = 1): void {
    this.#left -= steps
    if (this.#left < 0) throw new TooComplex()
  }
}
