/** Kafka's SimpleHeaderConverter: headers are text, and have the type that they look like. */
import { isUtf8 } from 'node:buffer'
import { parseValueText, valueToText } from '../values/values.ts'
import { defineConverter } from './converter.ts'

export const simple = defineConverter({
  name: 'simple',
  classes: ['org.apache.kafka.connect.storage.SimpleHeaderConverter'],
  summary: 'text of the type that it looks like; the default for headers',
  forHeaders: true,
  keys: {},
  open: () => ({
    toConnect(_topic, bytes) {
      if (bytes === null) return { schema: null, value: null }
      // Kafka would replace what is no text; here it stays whole.
      if (!isUtf8(bytes)) return { schema: { type: 'bytes' }, value: bytes }
      return parseValueText(bytes.toString('utf8'))
    },
    fromConnect(_topic, schema, value) {
      const text = valueToText(schema, value)
      return text === null ? null : Buffer.from(text)
    },
  }),
})
