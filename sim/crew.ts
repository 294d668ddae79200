/**
 * Plays the seeds of a scenario in several processes. A seed decides all that happens in its world, so it does not matter where it is played, nor
 * beside what.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { CrewAnswer } from './crew/member.ts'
import { Finding } from './scenarios/finding.ts'

export interface CrewOptions {
  /** Its name. */
  scenario: string
  firstSeed: number
  seeds: number
  processes: number
  /** With the numbers that the scenario sums up. */
  played(numbers: Readonly<Record<string, number>>): void
}

const memberFile = fileURLToPath(new URL('crew/member.ts', import.meta.url))

/** Rejects with what the first failed seed says, and `seed` in it. */
export async function playWithCrew({ scenario, firstSeed, seeds, processes, played }: CrewOptions): Promise<void> {
  let next = firstSeed
  const takeSeed = () => (next < firstSeed + seeds ? next++ : null)
  const crew = Array.from({ length: Math.min(processes, seeds) }, () => fork(memberFile, [scenario]))
  try {
    await Promise.all(crew.map(member => work(member, takeSeed, played)))
  } finally {
    for (const member of crew) member.kill()
  }
}

function work(member: ChildProcess, takeSeed: () => number | null, played: CrewOptions['played']): Promise<void> {
  return new Promise((resolve, reject) => {
    const goOn = () => {
      const seed = takeSeed()
      if (seed === null) resolve()
      else member.send(seed)
    }
    member.on('message', (answer: CrewAnswer) => {
      if ('numbers' in answer) {
        played(answer.numbers)
        goOn()
      } else reject(Object.assign(answer.isFinding ? new Finding(answer.failure) : new Error(answer.failure), { seed: answer.seed }))
    })
    member.on('error', reject)
    member.on('exit', code => reject(new Error(`a process that played seeds ended with code ${code}`)))
    goOn()
  })
}
