/** Kafka Connect's own runtime with the connectors for files: standalone, and as a cluster with exactly-once sources. */
import { join } from 'node:path'
import { runProgram, type Suite } from '../support/suite.ts'
import { connectClassPath, connectVersion } from './worker.ts'

const client = `kafka-connect-${connectVersion}`

export const connect: Suite = {
  folder: 'connect',
  clients: [client],
  async run({ bootstrap }, report) {
    const classPath = await connectClassPath()
    await runProgram(client, report, process.execPath, [join(import.meta.dirname, 'cases.ts'), bootstrap, classPath], { seconds: 500 })
  },
}
