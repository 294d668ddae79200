/** One of the processes of `crew.ts`: plays each seed that it is sent, and says how it ended. */
import { Finding } from '../scenarios/finding.ts'
import { numbersOf, scenarioNamed } from '../scenarios.ts'

export type CrewAnswer = { numbers: Readonly<Record<string, number>> } | { seed: number; failure: string; isFinding: boolean }

const scenario = scenarioNamed(process.argv[2] ?? '')

async function play(seed: number): Promise<CrewAnswer> {
  try {
    return { numbers: numbersOf(scenario, await scenario.run({ seed })) }
  } catch (error) {
    const isFinding = error instanceof Finding
    return { seed, isFinding, failure: isFinding ? error.message : String((error as Error).stack) }
  }
}

process.on('message', (seed: number) => void play(seed).then(answer => process.send!(answer)))
process.on('disconnect', () => process.exit())
