/** Avro schemas. */
import { avroDifferences } from './avro/compatible.ts'
import { type ParsedAvro, parseAvro } from './avro/parse.ts'
import { printAvro, printNormalized } from './avro/print.ts'
import type { Budget, ParsedSchema, Policy, Reason, SchemaSource, SchemaType } from './schema.ts'

export const avro: SchemaType = {
  parse: (source: SchemaSource) => new AvroSchema(parseAvro(source)),
}

const none: ReadonlySet<string> = new Set()

class AvroSchema implements ParsedSchema {
  readonly #parsed: ParsedAvro

  constructor(parsed: ParsedAvro) {
    this.#parsed = parsed
  }

  get canonical(): string {
    return printAvro(this.#parsed.type, this.#parsed.referenced)
  }

  get normalized(): string {
    return printNormalized(this.#parsed.type, this.#parsed.referenced)
  }

  formatted(format: string): string {
    return format === 'resolved' ? printAvro(this.#parsed.type, none) : this.canonical
  }

  get identity(): string {
    return printNormalized(this.#parsed.type, none)
  }

  differences(writer: ParsedSchema, _policy: Policy, budget: Budget): Reason[] {
    return avroDifferences(this.#parsed.type, (writer as AvroSchema).#parsed.type, budget)
  }
}
