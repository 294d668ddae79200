/** A few rounds of each fuzzer, always the same: `npm run fuzz` does more. */
import { test } from 'node:test'
import { brokerFuzzer } from '../sim/fuzzers/broker.ts'
import { codecFuzzer } from '../sim/fuzzers/codecs.ts'
import { coordinatorFuzzer } from '../sim/fuzzers/coordinators.ts'
import { forgeryFuzzer } from '../sim/fuzzers/forgery.ts'
import type { Fuzzer } from '../sim/fuzzers/fuzzer.ts'
import { headersFuzzer } from '../sim/fuzzers/headers.ts'
import { recordsFuzzer } from '../sim/fuzzers/records.ts'
import { schemasFuzzer } from '../sim/fuzzers/schemas.ts'
import { seededRandom } from '../sim/world/random.ts'

async function rounds(fuzzer: Fuzzer, count: number): Promise<void> {
  try {
    for (let seed = 1; seed <= count; seed++) await fuzzer.once(seededRandom(seed))
  } finally {
    await fuzzer.close()
  }
}

test('messages', () => rounds(codecFuzzer(), 3000))
test('records', () => rounds(recordsFuzzer(), 500))
test('a broker', async () => rounds(await brokerFuzzer(), 50))
test('internal topics', async () => rounds(await coordinatorFuzzer(), 50))
test('forgeries of the log', () => rounds(forgeryFuzzer(), 12))
test('batch headers at their limits', () => rounds(headersFuzzer(), 40))
test('schemas', () => rounds(schemasFuzzer(), 300))
