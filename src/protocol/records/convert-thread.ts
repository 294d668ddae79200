/** The thread's side of `converter.ts`: one conversion per message, its result or its error as plain data. */
import { parentPort } from 'node:worker_threads'
import { KafkaError } from '../errors.ts'
import { type Conversion, convert } from './convert.ts'
import { InvalidRecords, type RecordError } from './invalid.ts'

/** A job as it crosses the border, where a Buffer arrives as a Uint8Array. */
export interface ThreadRequest {
  id: number
  job: Omit<Conversion, 'records'> & { records: Uint8Array<ArrayBuffer> }
  maxBytes: number
}

export type ThreadReply = { id: number; result: Uint8Array<ArrayBuffer> } | { id: number; error: ThreadError }

export interface ThreadError {
  /** Of a KafkaError; null for anything else. */
  kafkaName: string | null
  message: string
  recordErrors: readonly RecordError[] | null
}

parentPort?.on('message', ({ id, job, maxBytes }: ThreadRequest) => {
  const reply = answer(id, job, maxBytes)
  parentPort?.postMessage(reply, 'result' in reply ? [reply.result.buffer] : [])
})

function answer(id: number, job: ThreadRequest['job'], maxBytes: number): ThreadReply {
  try {
    const { buffer, byteOffset, byteLength } = job.records
    return { id, result: owned(convert({ ...job, records: Buffer.from(buffer, byteOffset, byteLength) } as Conversion, maxBytes)) }
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
