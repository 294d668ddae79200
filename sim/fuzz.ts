/**
 * `npm run fuzz`: sends random and mutated messages and records to the codecs, the record code and a running broker, schemas to the registry, expressions
 * to their compilers, and bodies to the HTTP services.
 *
 *   npm run fuzz                      60 seconds, a new seed
 *   npm run fuzz -- --seconds 600     longer
 *   npm run fuzz -- --seed 7 --only records
 *
 * A finding prints its seed and its input in hex, and the exit code is nonzero: turn it into a test, then fix the code.
 */
import { parseArgs } from 'node:util'
import { bodiesFuzzer } from './fuzzers/bodies.ts'
import { brokerFuzzer } from './fuzzers/broker.ts'
import { codecFuzzer } from './fuzzers/codecs.ts'
import { coordinatorFuzzer } from './fuzzers/coordinators.ts'
import { expressionsFuzzer } from './fuzzers/expressions.ts'
import { forgeryFuzzer } from './fuzzers/forgery.ts'
import { type Fuzzer, FuzzFinding } from './fuzzers/fuzzer.ts'
import { headersFuzzer } from './fuzzers/headers.ts'
import { int64Fuzzer } from './fuzzers/int64.ts'
import { recordsFuzzer } from './fuzzers/records.ts'
import { schemasFuzzer } from './fuzzers/schemas.ts'
import { seededRandom } from './world/random.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' }, only: { type: 'string' } },
})
const fuzzers: Record<string, () => Fuzzer | Promise<Fuzzer>> = {
  codecs: codecFuzzer,
  records: recordsFuzzer,
  broker: brokerFuzzer,
  coordinators: coordinatorFuzzer,
  int64: int64Fuzzer,
  forgery: forgeryFuzzer,
  headers: headersFuzzer,
  schemas: schemasFuzzer,
  expressions: expressionsFuzzer,
  bodies: bodiesFuzzer,
}
const chosen = Object.entries(fuzzers).filter(([name]) => values.only === undefined || name === values.only)
if (chosen.length === 0) throw new Error(`unknown fuzzer ${values.only}; the fuzzers are ${Object.keys(fuzzers).join(', ')}`)

let seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const mostHex = 4096

function report(name: string, error: unknown): void {
  console.error(`FINDING in ${name}, replay with: npm run fuzz -- --seed ${seed} --only ${name}`)
  console.error(error instanceof Error ? error.stack : error)
  if (error instanceof FuzzFinding) console.error(`input (${error.input.length} bytes): ${error.input.toString('hex', 0, mostHex)}`)
}

/** One input per seed, so that the seed of a finding replays it alone. */
async function run(name: string, open: () => Fuzzer | Promise<Fuzzer>, seconds: number): Promise<boolean> {
  const fuzzer = await open()
  const end = performance.now() + seconds * 1000
  let inputs = 0
  const [firstSeed, replaying] = [seed, values.seed !== undefined]
  try {
    for (; performance.now() < end && (!replaying || inputs < 1000); seed++, inputs++) await fuzzer.once(seededRandom(seed))
    console.log(`${name}: ${inputs} rounds from seed ${firstSeed} on, no findings`)
    return true
  } catch (error) {
    report(name, error)
    return false
  } finally {
    await fuzzer.close()
  }
}

let clean = true
for (const [name, open] of chosen) clean = (await run(name, open, Number(values.seconds) / chosen.length)) && clean
process.exit(clean ? 0 : 1)
