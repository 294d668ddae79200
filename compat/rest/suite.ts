/**
 * Clients of Confluent's REST proxy against ours: the examples of its documentation, and clients as they are published. The proxy and the registry run as a
 * process of their own over the broker.
 */
import { join } from 'node:path'
import { goProgram, nodeProgram } from '../support/cache.ts'
import { usingServices } from '../support/services.ts'
import { type Programs, runPrograms, type Suite } from '../support/suite.ts'

const here = import.meta.dirname
const programs: Programs = {
  'kafka-rest-documentation': async () => [process.execPath, join(here, 'documentation.ts')],
  'rest-streams': async () => [process.execPath, join(here, 'streams.ts')],
  'kafka-rest-sdk-go': async () => [await goProgram('go-rest', join(here, 'go')), 'v3'],
  'kafka-rest-go': async () => [await goProgram('go-rest', join(here, 'go')), 'v2'],
  'kafka-rest-node': async () => [process.execPath, join(await nodeProgram('node-rest', join(here, 'node')), 'cases.mjs')],
}

export const rest: Suite = {
  folder: 'rest',
  clients: Object.keys(programs),
  async run(target, report) {
    await usingServices(target.bootstrap)(['registry', 'rest'], ({ urls, pid }) =>
      runPrograms(programs, report, [urls.rest, urls.registry, String(pid)], { seconds: 400 }),
    )
  },
}
