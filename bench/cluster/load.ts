/**
 * Records at fixed times, and what became of each. How long one took is counted from the time at which it was due, not from when the client
 * came to send it: an answer that is late delays nobody's clock (no coordinated omission).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drive, type Options, type Target } from '../clients.ts'

export interface Load {
  readonly partitions: number
  /** Of all partitions, in turn. */
  readonly perSecond: number
  /** It ends before, with the work. */
  readonly mostSeconds: number
  readonly size?: number
  readonly options?: Options
}

/** In seconds, as `now` has them. */
export interface Moment {
  readonly partition: number
  readonly due: number
  /** 0: never; -1: the caller was told that it was not written. */
  readonly acked: number
  /** By a consumer that follows the partition; 0: never. */
  readonly received: number
}

/** Of clients that notice soon when a broker is away. */
const alert: Options = {
  acks: 'all',
  'enable.idempotence': 'true',
  'socket.timeout.ms': 1000,
  'request.timeout.ms': 1000,
  'message.timeout.ms': 60_000,
  'retry.backoff.ms': 10,
  'reconnect.backoff.ms': 10,
  'reconnect.backoff.max.ms': 100,
  'topic.metadata.refresh.fast.interval.ms': 50,
  'fetch.wait.max.ms': 100,
  'fetch.error.backoff.ms': 10,
}

export const alertWords =
  'acks=all, idempotent, linger 0, time-outs 1 s, retry.backoff.ms=10, fetch.error.backoff.ms=10, a consumer that follows all partitions; librdkafka'

/** The clock of the driver: CLOCK_MONOTONIC. */
export const now = () => Number(process.hrtime.bigint()) / 1e9

const doublesOfEach = 3

/** Begins `work` when the load has begun, and ends the load with it. */
export async function underLoad<T>(
  broker: Target,
  topic: string,
  load: Load,
  work: () => Promise<T>,
): Promise<{ result: T; moments: readonly Moment[] }> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-load-'))
  const [out, until] = [join(directory, 'moments'), join(directory, 'stop')]
  const { partitions, perSecond, mostSeconds, size = 100, options = alert } = load
  try {
    const began = Promise.withResolvers<void>()
    const paced = { ...options, partitions, rate: perSecond, seconds: mostSeconds, size, out, until }
    const driven = drive.paced(broker, topic, paced, began.resolve)
    driven.catch(began.reject)
    await began.promise
    let result: T
    try {
      result = await work()
    } finally {
      writeFileSync(until, '')
      await driven
    }
    return { result, moments: parse(readFileSync(out), partitions) }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function parse(bytes: Buffer, partitions: number): Moment[] {
  const doubles = new Float64Array(Uint8Array.from(bytes).buffer)
  return Array.from({ length: doubles.length / doublesOfEach }, (_, i) => {
    const [due, acked, received] = doubles.subarray(i * doublesOfEach) as unknown as [number, number, number]
    return { partition: i % partitions, due, acked, received }
  })
}

/** Milliseconds from when they were due, in ascending order; without those that never were. */
export function waits(moments: readonly Moment[], kind: 'acked' | 'received'): number[] {
  return moments
    .filter(each => each[kind] > 0)
    .map(each => (each[kind] - each.due) * 1000)
    .sort((a, b) => a - b)
}

/** What a caller must not see. */
export function harm(moments: readonly Moment[]): { callerErrors: number; lost: number } {
  return {
    callerErrors: moments.filter(({ acked }) => acked <= 0).length,
    lost: moments.filter(({ acked, received }) => acked > 0 && received === 0).length,
  }
}
