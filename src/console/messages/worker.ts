/**
 * The thread that opens batches, decodes and filters records, so that the event loop that serves everybody is free. It has no connections: bytes and
 * schemas come over the port of each job, which ends with the port.
 */
import { type MessagePort, parentPort } from 'node:worker_threads'
import { realSystem } from '../../base.ts'
import type { ReceivedRecord } from '../../client.ts'
import { ExprError } from '../../expr.ts'
import { batchesIn, forEachRecordOf, intactBatchSize, KafkaError } from '../../protocol.ts'
import { openSerdes, type RegisteredSchema, type RegistryClient, SerdeError } from '../../serde.ts'
import { Calls } from './calls.ts'
import type { Job, JobEvent } from './job.ts'
import type { Read } from './merge.ts'
import { runJob } from './search.ts'

export interface JobOrder {
  readonly job: Job
  readonly port: MessagePort
}

/** What the other thread serves. */
export interface ServedCalls {
  open(range: { from: ReadonlyMap<number, bigint>; until: ReadonlyMap<number, bigint> | null }): Promise<void>
  /** null: the end. */
  next(): Promise<{ partition: number; from: bigint; batches: Uint8Array } | null>
  schema(wanted: { id: number } | { guid: string }): Promise<{ schema: RegisteredSchema } | { refused: string }>
  send(event: JobEvent): Promise<void>
  /** `wrong`: what was asked for makes no sense; `damage`: the log cannot be read here. */
  end(how: { wrong: string } | { damage: string } | { error: string } | null): Promise<void>
}

const { clock } = realSystem()
/** Of one batch, unpacked; far above what brokers let in by default. */
const maxUnpackedBytes = 2 ** 30

parentPort!.on('message', ({ job, port }: JobOrder) => void serve(job, port))

async function serve(job: Job, port: MessagePort): Promise<void> {
  const stop = new AbortController()
  const calls = new Calls(port, {}, () => stop.abort())
  const ask = <N extends keyof ServedCalls>(name: N, argument: Parameters<ServedCalls[N]>[0]) =>
    calls.ask(name, argument) as ReturnType<ServedCalls[N]>
  const serdes = openSerdes({ registry: registryOver(ask) })
  try {
    await runJob(job, { clock, serdes, read: readOver(job.topic, ask), send: event => ask('send', event), signal: stop.signal })
    await ask('end', null)
  } catch (error) {
    if (stop.signal.aborted) return
    const { message } = error as Error
    const how = error instanceof ExprError ? { wrong: message } : error instanceof Damage ? { damage: message } : { error: message }
    await ask('end', how).catch(() => {})
  } finally {
    calls.close()
  }
}

type AskOver = <N extends keyof ServedCalls>(name: N, argument: Parameters<ServedCalls[N]>[0]) => ReturnType<ServedCalls[N]>

function readOver(topic: string, ask: AskOver): Read {
  return async function* (from, until) {
    await ask('open', { from, until })
    for (;;) {
      const fetched = await ask('next', undefined)
      if (fetched === null) return
      const { partition, from: first, batches } = fetched
      yield recordsIn(Buffer.from(batches.buffer, batches.byteOffset, batches.length), {
        topic,
        partition,
        first,
        end: until?.get(partition),
      })
    }
  }
}

interface Wanted {
  readonly topic: string
  readonly partition: number
  readonly first: bigint
  readonly end: bigint | undefined
}

/** Of what is stored. */
class Damage extends Error {}

function recordsIn(bytes: Buffer, { topic, partition, first, end }: Wanted): ReceivedRecord[] {
  const records: ReceivedRecord[] = []
  let at = first
  try {
    for (const batch of batchesIn(bytes)) {
      if (batch.header.isControl) continue
      at = BigInt(batch.header.baseOffset)
      if (batch.header.magic >= 2 && intactBatchSize(batch.bytes, 0) !== batch.bytes.length)
        throw new KafkaError('CORRUPT_MESSAGE', 'the checksum of the batch is wrong')
      forEachRecordOf(
        batch,
        ({ offset: place, timestamp, key, value, headers }) => {
          const offset = BigInt(place)
          if (offset < first || (end !== undefined && offset >= end)) return
          records.push({ topic, partition, offset, timestampMs: BigInt(timestamp), key, value, headers: [...headers] })
        },
        { maxBytes: maxUnpackedBytes },
      )
    }
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    throw new Damage(`${topic}-${partition} cannot be read at offset ${at}: ${error.message}`)
  }
  return records
}

/** For decoding only. The other thread keeps what it has fetched, and this one what it has asked for. */
function registryOver(ask: AskOver): RegistryClient {
  const known = new Map<number | string, RegisteredSchema | Promise<RegisteredSchema>>()
  const get = (key: number | string, wanted: { id: number } | { guid: string }) => {
    const before = known.get(key)
    if (before !== undefined) return before
    const asking = ask('schema', wanted).then(answer => {
      if ('refused' in answer) throw new SerdeError(answer.refused)
      known.set(key, answer.schema)
      return answer.schema
    })
    asking.catch(() => {})
    known.set(key, asking)
    return asking
  }
  const decodingOnly = () => {
    throw new SerdeError('this thread only decodes')
  }
  return {
    byId: id => get(id, { id }),
    byGuid: guid => get(guid, { guid }),
    bySubject: decodingOnly,
    request: decodingOnly,
    close() {},
  }
}
