/** One JSON document per line. */

import { type JsonStyle, jsonText } from '../values/json.ts'
import type { Body, Format } from './format.ts'
import { Lines } from './lines.ts'

export const ndjson: Format = {
  name: 'json',
  classes: [
    'io.confluent.connect.s3.format.json.JsonFormat',
    'io.confluent.connect.hdfs.json.JsonFormat',
    'io.confluent.connect.hdfs3.json.JsonFormat',
  ],
  extension: '.json',
  needsSchema: false,
  wrappable: true,
  blockBytes: 2 ** 20,
  open(_, options): Body {
    const style: JsonStyle = { decimals: options.decimals, times: 'numbers', maps: 'pairs' }
    const lines = new Lines()
    return {
      add: (value, schema) => lines.add(Buffer.from(`${jsonText({ schema, value }, style)}\n`)),
      take: () => lines.take(),
      end: () => lines.take(),
    }
  },
}
