/** JSON without a schema, in which integers keep all their digits. */
import { isUtf8 } from 'node:buffer'
import { parseLossless, stringifyLossless } from '../../base.ts'
import { type Display, type SerdeDefinition, SerdeError } from '../types.ts'

/** Throws SerdeError. */
export function decodeJson(bytes: Buffer): Display {
  if (!isUtf8(bytes)) throw new SerdeError('the JSON is not valid UTF-8')
  try {
    return parseLossless(bytes.toString('utf8')) as Display
  } catch (error) {
    throw new SerdeError(`not valid JSON: ${(error as Error).message}`, error)
  }
}

export const json: SerdeDefinition = {
  name: 'json',
  summary: 'JSON',
  open: () => ({
    decode: bytes => ({ value: decodeJson(bytes), schema: null }),
    encode(value) {
      const text = stringifyLossless(value)
      if (text === undefined) throw new SerdeError('there is no value')
      return Buffer.from(text)
    },
  }),
}
