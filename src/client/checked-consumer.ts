/**
 * The library's consumer, with two things it lacks. It does not verify checksums: here a fetch with a damaged batch fails before any of it is
 * decoded, as with `check.crcs` of Kafka's consumer. And it reads only the first zstd frame of a batch: here batches are decompressed by our
 * own codecs. (Without a group: read.ts.)
 */
import { promisify } from 'node:util'
import type { API, Callback, Connection, Reader } from '@platformatic/kafka'
import { ClientError } from '../channel.ts'
import { Consumer, compressionsAlgorithms, kGetApi } from '../library.ts'
import { apis, batchesIn, type CompressionType, decodeResponse, decompress, header, intactBatchSize } from '../protocol.ts'
import { maxUnpackedBytes } from './read.ts'

for (const [type, codec] of Object.entries(compressionsAlgorithms)) {
  const decompressSync = (data: Buffer | { buffer: Buffer }): Buffer =>
    decompress(type as CompressionType, Buffer.isBuffer(data) ? data : data.buffer, { maxBytes: maxUnpackedBytes })
  Object.assign(codec, { decompressSync })
}

type Send = Connection['send']

export class CheckedConsumer extends Consumer {
  override [kGetApi]<Arguments extends unknown[], Response>(name: string, callback: Callback<API<Arguments, Response>>): void {
    super[kGetApi]<Arguments, Response>(name, (error, api) => {
      callback(error, name === 'Fetch' && api !== undefined ? (checked(api) as typeof api) : api)
    })
  }
}

type Call = (connection: Pick<Connection, 'send'>, ...rest: unknown[]) => unknown

/** The library's function for one version of Fetch, with a look at each response before the library decodes it. */
function checked(api: unknown): unknown {
  const { key, version } = api as { key: number; version: number }
  const call = (connection: Connection, ...rest: unknown[]) => {
    const send = (...[apiKey, apiVersion, payload, parse, ...more]: Parameters<Send>) => {
      const parseChecked: typeof parse = (correlationId, ofKey, ofVersion, reader) => {
        checkResponse(reader, ofVersion)
        return parse(correlationId, ofKey, ofVersion, reader)
      }
      connection.send(apiKey, apiVersion, payload, parseChecked, ...more)
    }
    return (api as Call)({ send } as Pick<Connection, 'send'>, ...rest)
  }
  return Object.assign(call, { async: promisify(call), key, version })
}

function checkResponse(reader: Reader, version: number): void {
  const body = reader.buffer.slice(reader.position)
  for (const { partitions } of decodeResponse(apis.fetch, version, body, 0).responses) {
    for (const { partitionIndex, records } of partitions) if (records !== null) checkRecords(partitionIndex, records)
  }
}

/** Exported for a test. */
export function checkRecords(partition: number, records: Buffer): void {
  for (const { bytes } of batchesIn(records)) {
    if (header.magic(bytes, 0) === 2 && intactBatchSize(bytes, 0) === bytes.length) continue
    const where = `the batch of partition ${partition} at offset ${header.baseOffset(bytes, 0)}`
    // Without this the library would retry, with the same result.
    throw Object.assign(new ClientError('CORRUPT_MESSAGE', `${where} is damaged: its checksum is wrong`), { canRetry: false })
  }
}
