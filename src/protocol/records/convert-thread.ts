/** The thread's side of `converter.ts`: one job per message, its result or its error as plain data. */
import { parentPort } from 'node:worker_threads'
import { Scratch } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import type { Contents } from './contents.ts'
import { type Conversion, convert } from './convert.ts'
import { InvalidRecords, type RecordError } from './invalid.ts'
import { type Opening, open } from './open.ts'

/** A job as it crosses the border, where a Buffer arrives as a Uint8Array. */
export type ThreadJob = (Omit<Opening, 'records'> | Omit<Conversion, 'records'>) & { records: Uint8Array<ArrayBuffer> }

export interface ThreadRequest {
  id: number
  job: ThreadJob
  maxBytes: number
}

export interface ThreadResult {
  id: number
  records: Uint8Array<ArrayBuffer>
  /** Of a batch that was opened. */
  contents: Contents | null
}

export type ThreadReply = ThreadResult | { id: number; error: ThreadError }

export interface ThreadError {
  /** Of a KafkaError; null for anything else. */
  kafkaName: string | null
  message: string
  recordErrors: readonly RecordError[] | null
}

const scratch = new Scratch()

parentPort?.on('message', ({ id, job, maxBytes }: ThreadRequest) => {
  const reply = answer(id, job, maxBytes)
  parentPort?.postMessage(reply, 'records' in reply ? [reply.records.buffer] : [])
})

function answer(id: number, job: ThreadJob, maxBytes: number): ThreadReply {
  try {
    const { buffer, byteOffset, byteLength } = job.records
    const whole = { ...job, records: Buffer.from(buffer, byteOffset, byteLength) } as Opening | Conversion
    if (whole.kind === 'fetch') return { id, records: owned(convert(whole, maxBytes)), contents: null }
    const { records, contents } = open(whole, maxBytes, scratch)
    return { id, records: owned(records), contents }
  } catch (error) {
    const { message, stack } = error as Error
    if (!(error instanceof KafkaError)) return { id, error: { kafkaName: null, message: stack ?? message, recordErrors: null } }
    return { id, error: { kafkaName: error.name, message, recordErrors: error instanceof InvalidRecords ? error.recordErrors : null } }
  }
}

/** Bytes whose memory holds nothing else, so that it can be handed over. */
function owned(bytes: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes
  if (buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength === buffer.byteLength) return new Uint8Array(buffer)
  const copy = new Uint8Array(byteLength)
  copy.set(bytes)
  return copy
}
