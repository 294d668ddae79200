/** How `produce` makes the bytes of keys and values: as they are typed, or by a serde. */
import { parseLossless } from '../base.ts'
import { type SchemaChoice, SerdeError, type SerdeName, type Serdes } from '../serde.ts'
import { bytesFromJson, CommandFailed, UsageError } from './output.ts'
import type { SerdeFlags } from './serde-options.ts'

type Part = 'key' | 'value'

export interface Encoder {
  /** What was typed, or stands in a file. `where` is for errors. */
  fromText(part: Part, text: Buffer, where: string): Buffer | Promise<Buffer>
  /** What `consume --json` prints. */
  fromJson(part: Part, value: unknown, where: string): Buffer | null | Promise<Buffer | null>
}

export const rawEncoder: Encoder = {
  fromText: (_part, text) => text,
  fromJson: (part, value, where) => bytesFromJson(value, `${where}: ${part}`),
}

interface EncoderFlags extends SerdeFlags {
  keySchema?: SchemaChoice
  valueSchema?: SchemaChoice
}

/** Of these, text is the value itself; of the others, it is JSON. */
const verbatim: readonly string[] = ['text', 'hex', 'base64']

export function openEncoder(serdes: Serdes, topic: string, { serde, keySchema, valueSchema }: EncoderFlags): Encoder {
  const schemas = { key: keySchema, value: valueSchema }
  const encode = async (part: Part, name: SerdeName, value: unknown, where: string) => {
    try {
      return await serdes.encode(name, value, { topic, part }, schemas[part])
    } catch (error) {
      throw error instanceof SerdeError ? new CommandFailed(`${where}: the ${part} cannot be written as ${name}: ${error.message}`) : error
    }
  }
  const nameOf = (part: Part) => {
    const name = serde?.[part] ?? null
    if (name === 'auto') throw new UsageError('-s auto is for reading; name the format that is to be written')
    return name
  }
  return {
    fromText(part, text, where) {
      const name = nameOf(part)
      if (name === null) return text
      return encode(part, name, verbatim.includes(name) ? text.toString('utf8') : parsed(text, part, where), where)
    },
    fromJson(part, value, where) {
      const name = nameOf(part)
      if (name === null) return rawEncoder.fromJson(part, value, where)
      return value === null || value === undefined ? null : encode(part, name, value, where)
    },
  }
}

function parsed(text: Buffer, part: Part, where: string): unknown {
  try {
    return parseLossless(text.toString('utf8'))
  } catch (error) {
    throw new CommandFailed(`${where}: the ${part} is not valid JSON: ${(error as Error).message}`)
  }
}
