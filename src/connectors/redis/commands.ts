/** What a record becomes in Redis. */
import { DataError, type SinkRecord } from '../../connector.ts'
import { parseTemplate, type Template } from '../template/template.ts'
import { jsonText, textOf, typedKey, typedValue } from '../values/json.ts'
import { fieldsOf, type Typed } from '../values/select.ts'
import type { Config } from './keys.ts'

export type Command = (string | Buffer)[]

export class Commands {
  readonly #config: Config
  readonly #key: Template | null

  constructor(config: Config) {
    this.#config = config
    this.#key = config['redis.key'] === '' ? null : parseTemplate(config['redis.key'])
  }

  /** In this order; none: nothing is to be done. Throws DataError. */
  of(record: SinkRecord): Command[] {
    const isTombstone = record.value === null
    switch (this.#config['redis.command']) {
      case 'DEL':
        return [['DEL', this.#keyOf(record)]]
      case 'SET':
        return [isTombstone ? ['DEL', this.#keyOf(record)] : ['SET', this.#keyOf(record), plain(typedValue(record))]]
      case 'HSET': {
        const key = this.#keyOf(record)
        // The hash is as the record is: a field that is not there any more does not stay.
        return isTombstone
          ? [['DEL', key]]
          : [
              ['DEL', key],
              ['HSET', key, ...pairs(record)],
            ]
      }
      case 'JSONSET':
        return [isTombstone ? ['DEL', this.#keyOf(record)] : ['JSON.SET', this.#keyOf(record), '$', json(record)]]
      case 'JSONMERGE':
        return [
          isTombstone
            ? ['DEL', this.#keyOf(record)]
            : ['JSON.MERGE', this.#keyOf(record), this.#config['redis.json.path.fixed'], json(record)],
        ]
      case 'XADD':
        return isTombstone ? [] : [['XADD', this.#collection(record), '*', ...pairs(record)]]
      case 'SADD':
        return [[isTombstone ? 'SREM' : 'SADD', this.#collection(record), member(record)]]
      case 'ZADD':
        return [
          isTombstone
            ? ['ZREM', this.#collection(record), member(record)]
            : ['ZADD', this.#collection(record), number(typedValue(record)), member(record)],
        ]
      case 'LPUSH':
        return [['LPUSH', this.#collection(record), member(record)]]
      case 'RPUSH':
        return [['RPUSH', this.#collection(record), member(record)]]
      default:
        return isTombstone ? [] : [['TS.ADD', this.#collection(record), number(typedKey(record)), number(typedValue(record))]]
    }
  }

  #keyOf(record: SinkRecord): string | Buffer {
    const key = plain(typedKey(record))
    if (this.#key === null) return key
    return Buffer.concat([this.#key.renderBytes(record), Buffer.from(this.#config['redis.separator']), Buffer.from(key as string)])
  }

  #collection(record: SinkRecord): Buffer {
    if (this.#key === null) throw new DataError('redis.key is empty, and this command needs it')
    return this.#key.renderBytes(record)
  }
}

function member(record: SinkRecord): string | Buffer {
  return plain(typedKey(record))
}

function plain(typed: Typed): string | Buffer {
  if (typed.value === null) throw new DataError('the record has no key')
  return Buffer.isBuffer(typed.value) ? typed.value : textOf(typed)!
}

function json(record: SinkRecord): string | Buffer {
  const { value } = record
  return typeof value === 'string' || Buffer.isBuffer(value) ? value : jsonText(typedValue(record))
}

function pairs(record: SinkRecord): (string | Buffer)[] {
  const fields = fieldsOf(typedValue(record))
  if (fields === null) throw new DataError('the value has no fields: it must be a struct or a JSON object')
  const found = fields.filter(([, { value }]) => value !== null).flatMap(([name, typed]) => [name, plain(typed)])
  if (found.length === 0) throw new DataError('the value has no field that is not null')
  return found
}

function number(typed: Typed): string {
  const text = typed.value === null ? '' : textOf(typed)!
  if (text.trim() === '' || !Number.isFinite(Number(text))) throw new DataError(`"${text.slice(0, 100)}" is no number`)
  return text
}
