/** Kafka's JsonConverter: JSON, with or without its schema around it. */
import { boolean, choice, int, parseLossless, string } from '../../base.ts'
import { type ConnectValue, DataError, type Schema } from '../../connector.ts'
import { parseDecimal } from '../values/java.ts'
import { cachedBySchema } from '../values/schemas.ts'
import { type Converter, defineConverter } from './converter.ts'
import { schemaFromJson, schemaToJson } from './json-envelope.ts'
import { type JsonRules, readJson, writeJson } from './json-values.ts'

export const json = defineConverter({
  name: 'json',
  classes: ['org.apache.kafka.connect.json.JsonConverter'],
  summary: 'JSON, by default with its schema in each record',
  forHeaders: true,
  keys: {
    'schemas.enable': boolean({ default: true, importance: 'high', doc: 'Whether each key and value has its schema around it.' }),
    'schemas.cache.size': int({ default: 1000, importance: 'high', doc: 'How many schemas that were read are kept.' }),
    'schema.content': string({
      default: null,
      importance: 'high',
      doc: 'The schema of all values that are read, which then have none around them; as the converter writes it.',
    }),
    'decimal.format': choice(['BASE64', 'NUMERIC'], {
      default: 'BASE64',
      ignoreCase: true,
      importance: 'low',
      doc: 'How decimals are written. Both are read.',
    }),
    'replace.null.with.default': boolean({
      default: true,
      importance: 'low',
      doc: 'Whether a field that is null gets the default of its schema.',
    }),
  },
  open(values, { refuse }) {
    const rules = { numericDecimals: values['decimal.format'] === 'NUMERIC', replaceNull: values['replace.null.with.default'] }
    const content = values['schema.content']?.trim() ?? ''
    const openContent = (): Schema | null => {
      if (content === '') return null
      try {
        return schemaFromJson(parseLossless(content), (schema, each) => readJson(schema, each, rules))
      } catch (error) {
        if (!(error instanceof SyntaxError || error instanceof DataError)) throw error
        throw refuse('schema.content', content.slice(0, 200), error.message)
      }
    }
    return new JsonConverter(values['schemas.enable'], Math.max(values['schemas.cache.size'], 1), openContent(), rules)
  },
})

const begin = '{"schema":'
const between = ',"payload":'

class JsonConverter implements Converter {
  readonly #withSchemas: boolean
  readonly #mostSchemas: number
  readonly #content: Schema | null
  readonly #rules: JsonRules
  /** By their text; the least recently used first. */
  readonly #read = new Map<string, Schema | null>()
  /** What stood before the payload of the record before, so that its schema is not parsed again and again. */
  #before: { readonly prefix: string; readonly schema: Schema | null } | null = null
  readonly #written = cachedBySchema(schema => schemaToJson(schema, (inner, value) => writeJson(inner, value, this.#rules)))

  constructor(withSchemas: boolean, mostSchemas: number, content: Schema | null, rules: JsonRules) {
    this.#withSchemas = withSchemas
    this.#mostSchemas = mostSchemas
    this.#content = content
    this.#rules = rules
  }

  toConnect: Converter['toConnect'] = (_topic, bytes) => {
    if (bytes === null) return { schema: null, value: null }
    const text = bytes.toString('utf8')
    if (!this.#withSchemas || this.#content !== null) {
      const value = text.trim() === '' ? null : parse(text)
      return { schema: this.#content, value: readJson(this.#content, value, this.#rules) }
    }
    const known = this.#likeBefore(text)
    if (known !== null) return known
    const envelope = text.trim() === '' ? null : parse(text)
    if (!isEnvelope(envelope))
      throw new DataError(
        'JsonConverter with schemas.enable requires "schema" and "payload" fields and may not contain additional fields.' +
          ' If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration.',
      )
    const schema = this.#schemaOf(envelope.schema)
    this.#remember(text, schema)
    return { schema, value: readJson(schema, envelope.payload, this.#rules) }
  }

  fromConnect: Converter['fromConnect'] = (_topic, schema, value) => {
    if (schema === null && value === null) return null
    const payload = writeJson(schema, value, this.#rules)
    if (!this.#withSchemas) return Buffer.from(payload)
    return Buffer.from(`${begin}${schema === null ? 'null' : this.#written(schema)}${between}${payload}}`)
  }

  /** null: it begins in another way, or is no envelope after all. */
  #likeBefore(text: string): { schema: Schema | null; value: ConnectValue } | null {
    if (this.#before === null || !text.startsWith(this.#before.prefix) || !text.endsWith('}')) return null
    let payload: unknown
    try {
      payload = parseLossless(text.slice(this.#before.prefix.length, -1), allDigits)
    } catch (error) {
      if (error instanceof SyntaxError) return null
      throw error
    }
    return { schema: this.#before.schema, value: readJson(this.#before.schema, payload, this.#rules) }
  }

  #remember(text: string, schema: Schema | null): void {
    const end = text.startsWith(begin) ? endOfValue(text, begin.length) : -1
    this.#before = end > 0 && text.startsWith(between, end) ? { prefix: text.slice(0, end + between.length), schema } : null
  }

  #schemaOf(node: unknown): Schema | null {
    const key = JSON.stringify(node, (_, each) => (typeof each === 'bigint' ? String(each) : each))
    const known = this.#read.get(key)
    if (known !== undefined) {
      this.#read.delete(key)
      this.#read.set(key, known)
      return known
    }
    const schema = schemaFromJson(node, (inner, each) => readJson(inner, each, this.#rules))
    this.#read.set(key, schema)
    if (this.#read.size > this.#mostSchemas) this.#read.delete(this.#read.keys().next().value!)
    return schema
  }
}

function allDigits(source: string): unknown {
  return parseDecimal(source) ?? Number(source)
}

function parse(text: string): unknown {
  try {
    return parseLossless(text, allDigits)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const plain = withoutLeadingZeros(text)
    if (plain !== text) return parse(plain)
    throw new DataError(`Converting byte[] to Kafka Connect data failed due to serialization error: ${error.message}`, error)
  }
}

/** Kafka's parser takes numbers such as 0012. */
function withoutLeadingZeros(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|(?<![\w.])(-?)0+(?=\d)/g, (found, sign: string | undefined) => sign ?? found)
}

function isEnvelope(value: unknown): value is { schema: unknown; payload: unknown } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.keys(value).length === 2 && Object.hasOwn(value, 'schema') && Object.hasOwn(value, 'payload')
}

/** Where the object or `null` that begins here ends, in text that is valid JSON. */
function endOfValue(text: string, start: number): number {
  if (text.startsWith('null', start)) return start + 4
  let depth = 0
  let inString = false
  for (let at = start; at < text.length; at++) {
    const char = text[at]
    if (inString) {
      if (char === '\\') at++
      else if (char === '"') inString = false
    } else if (char === '"') inString = true
    else if (char === '{') depth++
    else if (char === '}' && --depth === 0) return at + 1
  }
  return -1
}
