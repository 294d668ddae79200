/** Kafka Connect's own runtime with the connectors for files: standalone, as a cluster with exactly-once sources, and together with our workers. */
import { join } from 'node:path'
import { runProgram, type Suite } from '../support/suite.ts'
import { connectClassPath, connectVersion } from './worker.ts'

const client = `kafka-connect-${connectVersion}`

export const connect: Suite = {
  folder: 'connect',
  clients: [client, 'millrace-connect'],
  async run({ bootstrap }, report) {
    const classPath = await connectClassPath()
    for (const program of ['cases.ts', 'take-over.ts', 'rest-answers.ts'])
      await runProgram(client, report, process.execPath, [join(import.meta.dirname, program), bootstrap, classPath], { seconds: 800 })
    for (const program of ['leader.ts', 'chaos.ts'])
      await runProgram('millrace-connect', report, process.execPath, [join(import.meta.dirname, program), bootstrap], { seconds: 900 })
  },
}
