/** Values as they are, bytes or text, each followed by a separator. */
import { DataError } from '../../connector.ts'
import type { Body, Format } from './format.ts'
import { Lines } from './lines.ts'

export const raw: Format = {
  name: 'bytes',
  classes: ['io.confluent.connect.s3.format.bytearray.ByteArrayFormat', 'io.confluent.connect.hdfs.string.StringFormat'],
  extension: '.bin',
  needsSchema: false,
  wrappable: true,
  blockBytes: 2 ** 20,
  open(_, { separator }): Body {
    const lines = new Lines()
    const between = Buffer.from(separator)
    return {
      add(value) {
        if (typeof value !== 'string' && !Buffer.isBuffer(value))
          throw new DataError('the format bytes takes bytes and strings; use the ByteArrayConverter or the StringConverter')
        return lines.add(Buffer.from(value)) + lines.add(between)
      },
      take: () => lines.take(),
      end: () => lines.take(),
    }
  },
}
