/** The endurance run as part of compat: its own secured broker, killed ten times in ninety seconds. */
import type { Suite } from '../support/suite.ts'
import { endure } from './endure.ts'
import { workloads } from './workloads.ts'

export const endurance: Suite = {
  folder: 'endurance',
  clients: ['endurance'],
  async run({ kafkaVersion }, report) {
    const log = (line: string) => console.log(line)
    const results = await endure({ workloads, seed: Date.now() % 1_000_000, kills: 10, seconds: 90, kafka: kafkaVersion, log })
    for (const result of results) report(result)
  },
}
