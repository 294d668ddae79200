/**
 * Record batches, message sets and compressed data: mutated ones are validated, read and converted, or refused with Kafka's errors,
 * in bounded time and memory.
 */
import {
  buildBatch,
  forEachRecord,
  type Opened,
  type Opening,
  openingOf,
  openRecordConverter,
  validateBatches,
} from '../../src/protocol.ts'
import { seal } from '../world/batches.ts'
import type { SeededRandom } from '../world/random.ts'
import { isRefusal } from './codecs.ts'
import { type Fuzzer, FuzzFinding, judge } from './fuzzer.ts'
import { randomBytes } from './grammar.ts'
import { mutate } from './mutate.ts'

const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const mostBytes = 16 * 1024 * 1024

export function recordsFuzzer(): Fuzzer {
  const converter = openRecordConverter({ maxDecompressedBytes: mostBytes })
  const onThread = openRecordConverter({ maxDecompressedBytes: mostBytes, inlineWork: 0 })

  const convert = async (what: string, input: Buffer, job: Parameters<typeof converter.convert>[0]): Promise<Buffer | null> => {
    try {
      return await converter.convert(job)
    } catch (error) {
      if (!isRefusal(error)) throw new FuzzFinding(`${what}: ${error instanceof Error ? error.stack : String(error)}`, input)
      return null
    }
  }

  const tryRecords = async (records: Buffer, random: SeededRandom) => {
    judge('validate', records, isRefusal, () => void validateBatches(Buffer.from(records), rules(random)))
    judge('read', records, isRefusal, () => forEachRecord(records, () => true, { maxBytes: mostBytes }))
    const toMagic = random.pick([0, 1] as const)
    await convert('down-conversion', records, { kind: 'fetch', records, toMagic, firstOffset: random.below(5) })
    await openProduced(records, random)
  }

  /** What is opened is stored: it must pass, and be read, whatever its producer sent. */
  const openProduced = async (records: Buffer, random: SeededRandom) => {
    const compression = random.pick(['producer', ...compressions] as const)
    const version = random.pick([0, 1, 2, 3, 7, 13])
    const batch = { ...rules(random), origin: 'client' as const }
    let job: Opening | null = null
    judge('produce', records, isRefusal, () => {
      job = openingOf(records, { version, compression, batch })
    })
    if (job === null) return
    let opened: Opened
    try {
      opened = await (random.chance(0.5) ? converter : onThread).open(job)
    } catch (error) {
      if (!isRefusal(error)) throw new FuzzFinding(`open: ${error instanceof Error ? error.stack : String(error)}`, records)
      return
    }
    const { records: stored, contents } = opened
    const accept = (what: string, work: () => void) => judge(what, stored, () => false, work)
    accept('validate what was opened', () => void validateBatches(stored, { ...batch, maxMessageBytes: stored.length }, contents))
    accept('read what was opened', () => forEachRecord(stored, () => true, { maxBytes: mostBytes }))
  }

  return {
    name: 'records',
    async once(random) {
      const good = randomBatch(random)
      judge(
        'a good batch',
        good,
        () => false,
        () => forEachRecord(good, () => true),
      )
      const old = random.chance(0.3)
        ? await convert('down-conversion', good, { kind: 'fetch', records: good, toMagic: random.pick([0, 1] as const), firstOffset: 0 })
        : null
      const seed = old ?? good
      for (let round = 0; round < 4; round++) await tryRecords(mutateRecords(seed, random), random)
    },
    async close() {
      await converter.close()
      await onThread.close()
    },
  }
}

function rules(random: SeededRandom): Parameters<typeof validateBatches>[1] {
  return {
    origin: random.chance(0.8) ? 'client' : 'coordinator',
    name: 'fuzz-0',
    maxMessageBytes: 1024 * 1024,
    segmentBytes: 2 ** 30,
    compacted: random.chance(0.3),
    timestampType: random.chance(0.8) ? 'CreateTime' : 'LogAppendTime',
    timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
    timestampAfterMaxMs: 3_600_000,
    nowMs: 1_700_000_000_000,
  }
}

/** Of any compression and producer; contents from incompressible to a bomb. */
export function randomBatch(random: SeededRandom): Buffer {
  const idempotent = random.chance(0.4)
  return buildBatch({
    compression: random.pick(compressions),
    timestamp: 1_700_000_000_000 - random.below(10_000),
    records: Array.from({ length: 1 + random.below(6) }, () => ({
      key: random.chance(0.3) ? null : randomBytes(random, random.below(10)),
      value: random.chance(0.1) ? null : random.chance(0.05) ? Buffer.alloc(random.below(2 ** 20)) : randomBytes(random, random.below(300)),
      headers: random.chance(0.2) ? [{ key: 'h', value: random.chance(0.5) ? null : randomBytes(random, 5) }] : [],
    })),
    ...(idempotent ? { producerId: random.below(5), producerEpoch: random.below(3), baseSequence: random.below(10) } : {}),
    isTransactional: idempotent && random.chance(0.2),
  })
}

/** Half of the mutants get a right length and checksum, so that they are not turned away at the door. */
export function mutateRecords(records: Buffer, random: SeededRandom): Buffer {
  const mutant = mutate(records, random)
  if (mutant.length > 61 && mutant[16] === 2 && random.chance(0.6)) {
    if (random.chance(0.7)) mutant.writeInt32BE(mutant.length - 12, 8)
    seal(mutant)
  }
  return mutant
}
