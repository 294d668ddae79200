/** What converters and transforms answer to the cases that Kafka's own have answered; see fixtures/kafka-answers. */
import type { ConnectValue, Schema } from '../connector.ts'
import { openConverter } from './converters.ts'
import { sinkRecord, testSystem, transformed } from './records.testing.ts'
import { parseValueText } from './values/values.ts'

/** A text of a header, a value for the JSON converter, or a transform with its keys and the value of a record. */
export type Case =
  | { readonly text: string }
  | { readonly json: string }
  | { readonly type: string; readonly config: Readonly<Record<string, string>>; readonly value: string }

const keys = new Map([
  ['value.converter', 'json'],
  ['value.converter.replace.null.with.default', 'false'],
])
const converter = openConverter(keys, false, { system: testSystem, registry: null })

/** As the Java program writes it: topic, value, headers and key in JSON with schemas, or `EX` and the message of the error. */
export async function answerOf(given: Case): Promise<string> {
  try {
    if ('text' in given) {
      const { schema, value } = parseValueText(given.text)
      return value === null ? 'null' : await shown(schema, value)
    }
    const { schema, value } = await converter.toConnect('t', Buffer.from('json' in given ? given.json : given.value))
    if ('json' in given) return await shown(schema, value)
    const record = await transformed(given.type, given.config, sinkRecord({ valueSchema: schema, value }))
    if (record === null) return 'dropped'
    const headers = record.headers.map(async header => ` ${header.name}=${await shown(header.schema, header.value)}`)
    const key = record.key === null ? '' : ` key ${await shown(record.keySchema, record.key)}`
    return `${record.topic} ${await shown(record.valueSchema, record.value)}${(await Promise.all(headers)).join('')}${key}`
  } catch (error) {
    return `EX ${(error as Error).message}`.replaceAll('transforms.t.', '')
  }
}

async function shown(schema: Schema | null, value: ConnectValue): Promise<string> {
  return String(await converter.fromConnect('t', schema, value))
}
