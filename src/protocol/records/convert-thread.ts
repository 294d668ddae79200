/** The thread's side of `converter.ts`: one job per message, its result or its error as plain data. */
import { parentPort } from 'node:worker_threads'
import { Scratch } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import type { Contents } from './contents.ts'
import { type Conversion, convert } from './convert.ts'
import { type FoundRecord, findRecord, type Search } from './find.ts'
import { InvalidRecords, type RecordError } from './invalid.ts'
import { type Opening, open } from './open.ts'

export type Job = Opening | Conversion | Search

/** A job as it crosses the border, where a Buffer arrives as a Uint8Array. */
export type ThreadJob = Omit<Job, 'records'> & { records: Uint8Array<ArrayBuffer> }

export interface ThreadRequest {
  id: number
  job: ThreadJob
  maxBytes: number
}

export interface ThreadResult {
  /** Of a batch that was opened or converted. */
  records: Uint8Array<ArrayBuffer> | null
  /** Of a batch that was opened. */
  contents: Contents | null
  found: FoundRecord | null
}

export type ThreadReply = { id: number } & ({ result: ThreadResult } | { error: ThreadError })

export interface ThreadError {
  /** Of a KafkaError; null for anything else. */
  kafkaName: string | null
  message: string
  recordErrors: readonly RecordError[] | null
}

const scratch = new Scratch()

parentPort?.on('message', ({ id, job, maxBytes }: ThreadRequest) => {
  const reply = answer(id, job, maxBytes)
  const records = 'result' in reply ? reply.result.records : null
  parentPort?.postMessage(reply, records === null ? [] : [records.buffer])
})

function answer(id: number, job: ThreadJob, maxBytes: number): ThreadReply {
  try {
    const { buffer, byteOffset, byteLength } = job.records
    return { id, result: resultOf({ ...job, records: Buffer.from(buffer, byteOffset, byteLength) } as Job, maxBytes) }
  } catch (error) {
    const { message, stack } = error as Error
    if (!(error instanceof KafkaError)) return { id, error: { kafkaName: null, message: stack ?? message, recordErrors: null } }
    return { id, error: { kafkaName: error.name, message, recordErrors: error instanceof InvalidRecords ? error.recordErrors : null } }
  }
}

function resultOf(job: Job, maxBytes: number): ThreadResult {
  if (job.kind === 'find') return { records: null, contents: null, found: findRecord(job, maxBytes, scratch) }
  if (job.kind === 'fetch') return { records: owned(convert(job, maxBytes)), contents: null, found: null }
  const { records, contents } = open(job, maxBytes, scratch)
  return { records: owned(records), contents, found: null }
}

/** Bytes whose memory holds nothing else, so that it can be handed over. */
function owned(bytes: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes
  if (buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength === buffer.byteLength) return new Uint8Array(buffer)
  const copy = new Uint8Array(byteLength)
  copy.set(bytes)
  return copy
}
