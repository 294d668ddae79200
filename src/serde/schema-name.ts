/** What Confluent's naming of subjects by record calls the record of a schema. */
import { parseLossless } from '../base.ts'
import { parseAvro } from './avro/schema.ts'
import { parseProtobuf } from './protobuf/schema.ts'
import type { RegisteredSchema } from './registry-client.ts'

/** The full name of the record or of the first message, the title of a JSON Schema; null if it has none. Throws SerdeError. */
export function recordNameOf({ type, schema, texts }: Pick<RegisteredSchema, 'type' | 'schema' | 'texts'>): string | null {
  if (type === 'PROTOBUF') return parseProtobuf(schema, texts).message([0]).name
  if (type === 'JSON') return titleOf(schema)
  const parsed = parseAvro(schema, [...texts.values()])
  return 'name' in parsed ? parsed.name : parsed.kind
}

function titleOf(schema: string): string | null {
  try {
    const { title } = parseLossless(schema) as { title?: unknown }
    return typeof title === 'string' ? title : null
  } catch {
    // The registry tells what is wrong with it.
    return null
  }
}
