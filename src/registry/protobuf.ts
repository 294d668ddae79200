/** Protobuf schemas: one `.proto` file as text, or as a serialized descriptor in base64. */
import { protobufDifferences } from './protobuf/compatible.ts'
import { fromDescriptor, toDescriptor } from './protobuf/descriptor.ts'
import type { ProtoFile } from './protobuf/model.ts'
import { normalize } from './protobuf/normalize.ts'
import { parseProto } from './protobuf/parse.ts'
import { printProto } from './protobuf/print.ts'
import { Types, validate } from './protobuf/types.ts'
import type { Budget, ParsedSchema, Policy, Reason, SchemaSource, SchemaType } from './schema.ts'

export const protobuf: SchemaType = {
  parse({ text, resolved }: SchemaSource) {
    const file = parseEither(text)
    const types = new Types(
      file,
      resolved.map(each => ({ name: each.name, file: parseEither(each.text) })),
    )
    validate(file, types)
    return new ProtobufSchema(file, types)
  },
}

function parseEither(text: string): ProtoFile {
  const compact = text.trim()
  // No `.proto` file consists of one word without a semicolon.
  return /^[A-Za-z0-9+/]{4,}={0,2}$/.test(compact) && compact.length % 4 === 0 ? fromDescriptor(compact) : parseProto(text)
}

class ProtobufSchema implements ParsedSchema {
  readonly #file: ProtoFile
  readonly #types: Types

  constructor(file: ProtoFile, types: Types) {
    this.#file = file
    this.#types = types
  }

  get canonical(): string {
    return printProto(this.#file)
  }

  get normalized(): string {
    return printProto(normalize(this.#file, this.#types))
  }

  formatted(format: string): string {
    if (format === 'serialized') return toDescriptor(this.#file, this.#types, 'default')
    return format === 'ignore_extensions' ? printProto(this.#file, { withoutExtensions: true }) : this.canonical
  }

  get identity(): string {
    return this.normalized
  }

  differences(writer: ParsedSchema, _policy: Policy, budget: Budget): Reason[] {
    const other = writer as ProtobufSchema
    return protobufDifferences({ file: this.#file, types: this.#types }, { file: other.#file, types: other.#types }, budget)
  }
}
