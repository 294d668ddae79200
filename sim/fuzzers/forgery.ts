/**
 * Clients plant the log's own structures in record values, on machines that crash and lose power: recovery must not take any
 * value for its own data. The checks are those of the power cuts: every partition contains exactly what was appended to it.
 */
import { Finding } from '../scenarios/finding.ts'
import { powerCuts } from '../scenarios/power-cuts.ts'
import { type Fuzzer, FuzzFinding } from './fuzzer.ts'

const states = 12

export function forgeryFuzzer(): Fuzzer {
  return {
    name: 'forgery',
    async once(random) {
      const seed = random.below(2 ** 31)
      try {
        await powerCuts({ seed, states, plants: true })
      } catch (error) {
        if (!(error instanceof Finding)) throw error
        throw new FuzzFinding(`seed ${seed}: ${error.message}`, Buffer.alloc(0))
      }
    },
    close: async () => {},
  }
}
