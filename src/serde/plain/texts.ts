/** Bytes as text: UTF-8, hexadecimal, base64. */
import { isUtf8 } from 'node:buffer'
import { stringifyLossless } from '../../base.ts'
import { type SerdeDefinition, SerdeError, type SerdeName } from '../types.ts'

interface Coding {
  read(bytes: Buffer): string
  /** null: not such a text. */
  write(text: string): Buffer | null
}

function definition(name: SerdeName, summary: string, { read, write }: Coding): SerdeDefinition {
  return {
    name,
    summary,
    open: () => ({
      decode: bytes => ({ value: read(bytes), schema: null }),
      encode(value) {
        const bytes = typeof value === 'object' ? null : write(typeof value === 'string' ? value : stringifyLossless(value))
        if (bytes === null) throw new SerdeError(`the value is not ${name}`)
        return bytes
      },
    }),
  }
}

export const text = definition('text', 'text in UTF-8', {
  read(bytes) {
    if (!isUtf8(bytes)) throw new SerdeError('not valid UTF-8')
    return bytes.toString('utf8')
  },
  write: value => Buffer.from(value),
})

export const hex = definition('hex', 'bytes in hexadecimal', {
  read: bytes => bytes.toString('hex'),
  write: value => (/^(?:[\da-fA-F]{2})*$/.test(value) ? Buffer.from(value, 'hex') : null),
})

export const base64 = definition('base64', 'bytes in base64', {
  read: bytes => bytes.toString('base64'),
  write: value => (/^[\w+/-]*={0,2}$/.test(value) ? Buffer.from(value, 'base64') : null),
})
