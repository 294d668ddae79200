/**
 * What a cluster promises, sentence by sentence, as it can be judged from outside: three brokers, started as the README says, over a real PostgreSQL
 * and MinIO, and a fourth that comes and goes. Raw requests show the exact errors; nothing is asked of the inside.
 */
import type { Report, Suite } from '../support/suite.ts'
import { administration } from './administration.ts'
import type { Cases } from './case.ts'
import { commands } from './commands.ts'
import { coordinators } from './coordinators.ts'
import { failures } from './failures.ts'
import { reassignments } from './reassignments.ts'
import { restores } from './restores.ts'
import { security } from './security.ts'
import { starts } from './starts.ts'
import { useTools } from './tools.ts'
import { World } from './world.ts'

const client = 'behaviour'
const cases: Cases = { ...starts, ...administration, ...reassignments, ...coordinators, ...security, ...commands, ...failures, ...restores }

export const clusterBehaviour: Suite = {
  folder: 'cluster-behaviour',
  clients: [client, 'kafka-tools'],
  async run(_target, report) {
    const only = process.env['BEHAVIOUR_CASES']?.split(',')
    const isChosen = (name: string) => only?.some(each => name.startsWith(each)) ?? true
    const world = await World.open()
    try {
      for (const [name, body] of Object.entries(cases)) {
        if (isChosen(name)) await runCase(world, name, body, report)
        else report({ client, name, outcome: 'skip', detail: 'not chosen' })
      }
      if (isChosen('tools')) await useTools(world, report)
      else report({ client: 'kafka-tools', name: 'all', outcome: 'skip', detail: 'not chosen' })
    } finally {
      await world.close()
    }
  },
}

async function runCase(world: World, name: string, body: Cases[string], report: Report): Promise<void> {
  try {
    const measured = await body(world)
    report({ client, name, outcome: 'ok', detail: measured === '' ? '' : `(${measured})` })
  } catch (error) {
    report({ client, name, outcome: 'FAIL', detail: (error as Error).message.replace(/\s+/g, ' ').slice(0, 600) })
    await world.recover()
  }
}
