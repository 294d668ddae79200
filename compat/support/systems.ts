/** Connectors against real servers: a suite of systems, each with its cases. */
import { Missing } from './cache.ts'
import type { Report } from './suite.ts'

/** Reports whether the case passes, and what it tells; never throws. */
export type Judge = (name: string, work: () => Promise<string> | Promise<void>) => Promise<void>

/** A server, and the cases with it. `Stage`: what all systems of the suite share. */
export interface System<Stage> {
  readonly name: string
  /** Runs them; the server is there only meanwhile. May throw a Missing. */
  run(judge: Judge, stage: Stage): Promise<void>
}

/**
 * Those that a variable of the environment names, or all; `redis/each-once` names one case of a system. One whose server cannot be had does not keep the others
 * from running.
 */
export async function runSystems<Stage>(systems: readonly System<Stage>[], stage: Stage, variable: string, report: Report): Promise<void> {
  const wanted = process.env[variable]?.split(',')
  for (const { name: client, run } of systems) {
    const isWanted = (name: string) => wanted === undefined || wanted.includes(client) || wanted.includes(`${client}/${name}`)
    if (wanted?.some(each => each.split('/')[0] === client) === false) {
      report({ client, name: 'all', outcome: 'skip', detail: `not chosen (${variable})` })
      continue
    }
    try {
      await run(judging(client, isWanted, variable, report), stage)
    } catch (error) {
      report({ client, name: 'all', outcome: error instanceof Missing ? 'skip' : 'FAIL', detail: (error as Error).message })
    }
  }
}

function judging(client: string, isWanted: (name: string) => boolean, variable: string, report: Report): Judge {
  return async (name, work) => {
    if (!isWanted(name)) return report({ client, name, outcome: 'skip', detail: `not chosen (${variable})` })
    const began = performance.now()
    try {
      const told = (await work()) ?? `${Math.round(performance.now() - began)} ms`
      report({ client, name, outcome: 'ok', detail: `(${told})` })
    } catch (error) {
      report({ client, name, outcome: 'FAIL', detail: shortened((error as Error).message) })
    }
  }
}

/** What was done stands at the beginning, and why it failed at the end. */
function shortened(message: string): string {
  const line = message.replace(/\s+/g, ' ')
  return line.length <= 700 ? line : `${line.slice(0, 250)} … ${line.slice(-450)}`
}
